#!/bin/sh
# All tests: as many workers as there are cores and one for files that mostly wait (tests/dealing_out.py), each
# in a network of its own; then alone what failed. With arguments those are pytest's, and one pytest runs.
set -u
apart="python -m diemcau_controller.namespace"
if [ $# -gt 0 ]; then
    exec .venv/bin/$apart .venv/bin/python -m pytest "$@"
fi
# In memory where there is room (a run leaves 0.8 GB), for databases wait for the disk at every write. A short
# name: sockets lie below it.
place=/dev/shm
[ "$(df --output=avail -k $place 2>/dev/null | tail -1)" -gt 4000000 ] 2>/dev/null || place=/tmp
temporary=$(mktemp -d $place/dcXXXX)
worker="python=.venv/bin/$apart .venv/bin/python"
.venv/bin/python -m pytest --dist loadfile --no-loadscope-reorder --durations 40 --basetemp "$temporary" \
    --tx "$(nproc)*popen//$worker" --tx "popen//id=nap//$worker"
code=$?
rm -rf "$temporary"
[ $code -eq 1 ] || exit $code
# Meetings in real time want the machine for themselves: what failed beside others has failed if it fails alone, too.
echo "Some failed beside others (above); now these alone:"
exec .venv/bin/$apart .venv/bin/python -m pytest --last-failed --last-failed-no-failures none
