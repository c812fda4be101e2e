#!/bin/sh
# The Python environment in .venv: what requirements.lock pins, by hash, and our three distributions.
# Does nothing when the lock has not changed since.
set -eu
python=${PYTHON:-python3}
stamp=.venv/installed.lock

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; set PYTHON=… to one." >&2
    exit 3
}
if [ -e "$stamp" ] && cmp -s requirements.lock "$stamp" && .venv/bin/diemcau --help >/dev/null 2>&1; then
    exit 0
fi
echo "Setting up the Python environment in .venv (once) …" >&2
"$python" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
    -e wire -e agent -e controller
cp requirements.lock "$stamp"
