#!/bin/sh
# All tests: as many workers as there are cores, each in a network of its own and with whole files; then
# alone what failed. With arguments those are pytest's, and one pytest runs.
set -u
apart="python -m diemcau_controller.namespace"
if [ $# -gt 0 ]; then
    exec .venv/bin/$apart .venv/bin/python -m pytest "$@"
fi
temporary=$(mktemp -d /tmp/dcXXXX) # short: sockets lie below it, and their names may not be long
.venv/bin/python -m pytest --dist loadfile --no-loadscope-reorder --durations 40 --basetemp "$temporary" \
    --tx "$(nproc)*popen//python=.venv/bin/$apart .venv/bin/python"
code=$?
rm -rf "$temporary"
[ $code -eq 1 ] || exit $code
# Meetings in real time want the machine for themselves: what failed beside others has failed if it fails alone, too.
echo "Some failed beside others (above); now these alone:"
exec .venv/bin/$apart .venv/bin/python -m pytest --last-failed --last-failed-no-failures none
