#!/bin/sh
# All tests: as many workers as there are cores, each in a network of its own and with whole files. With
# arguments those are pytest's, and one pytest runs.
set -u
apart="python -m diemcau_controller.namespace"
if [ $# -gt 0 ]; then
    exec .venv/bin/$apart .venv/bin/python -m pytest "$@"
fi
temporary=$(mktemp -d /tmp/dcXXXX) # short: sockets lie below it, and their names may not be long
.venv/bin/python -m pytest --dist loadfile --no-loadscope-reorder --durations 40 --basetemp "$temporary" \
    --tx "$(nproc)*popen//python=.venv/bin/$apart .venv/bin/python" || exit
rm -rf "$temporary"
