#!/bin/sh
# All tests: as many workers as there are cores, each in a network of its own and with whole files; then
# alone what failed. With arguments those are pytest's, and one pytest runs.
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
.venv/bin/python -m pytest --dist loadfile --no-loadscope-reorder --durations 40 --basetemp "$temporary" \
    --tx "$(nproc)*popen//python=.venv/bin/$apart .venv/bin/python"
code=$?
rm -rf "$temporary"
[ $code -eq 1 ] || exit $code
# Meetings in real time want the machine for themselves: what failed beside others has failed if it fails alone, too.
echo "Some failed beside others (above); now these alone:"
exec .venv/bin/$apart .venv/bin/python -m pytest --last-failed --last-failed-no-failures none
