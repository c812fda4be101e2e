#!/bin/sh
# All tests: whole meetings, which mostly wait, and beside them the rest, each half in a network of its own.
# With arguments those are pytest's, and one pytest runs.
set -u
run() {
    .venv/bin/python -m diemcau_controller.namespace .venv/bin/python -m pytest "$@"
}
if [ $# -gt 0 ]; then
    run "$@"
    exit
fi
said=$(mktemp)
trap 'rm -f "$said"' EXIT
trap 'exit 130' INT TERM
run --lane rest --durations 15 >"$said" 2>&1 &
rest=$!
meetings_failed=0 rest_failed=0
run --lane meetings --durations 15 || meetings_failed=$?
wait "$rest" || rest_failed=$?
cat "$said"
[ "$meetings_failed" = 0 ] && [ "$rest_failed" = 0 ]
