"""Has the dynamic linker write down what a media process calls in the libraries of codecs.

On PYTHONPATH of a unit, with ENCODER_WATCH naming a folder: every media process starts itself again with
LD_DEBUG=bindings, and binds functions lazily. So a function's name is in `<unit's pid>.<own pid>` of that
folder if, and as soon as, it has been called: `x264_encoder_open_165` when an H.264 encoder was opened.
"""

import os
import sys

if "diemcau_agent.media" in sys.orig_argv:
    if "LD_DEBUG" not in os.environ:
        output = f"{os.environ['ENCODER_WATCH']}/{os.getppid()}"
        watched = {**os.environ, "LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": output}
        os.execve(sys.executable, sys.orig_argv, watched)
    sys.setdlopenflags(os.RTLD_LAZY)
