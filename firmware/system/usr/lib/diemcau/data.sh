#!/bin/sh
# Before anything else writes: what outlives the read-only system is laid out on the data partition. What a folder
# holds in the system is what it begins with. Whatever a power cut leaves here is made anew at the next boot.
set -eu
umask 022
here=/usr/lib/diemcau
[ ! -e /data/wipe ] || sh $here/wipe.sh
mkdir -p /run/diemcau-var/upper /run/diemcau-var/work /data/kept /data/slots

while read -r path; do
    kept=/data/kept$path
    [ ! -d "$kept" ] || continue
    mkdir -p "${kept%/*}"
    rm -rf "$kept.new"
    cp -a "$path" "$kept.new"
    sync -f "$kept.new"
    mv -T "$kept.new" "$kept"
done <$here/kept

# Each slot has releases of its own, beginning with the one that was built into it: so a slot that the boot loader
# goes back to finds what it ran before, and nothing has to be copied.
slot=$(sed -n 's/.*\brauc\.slot=\([AB]\)\b.*/\1/p' /proc/cmdline)
home=/data/slots/${slot:-A}
image=$(cat $here/image)
release=$(readlink -f $here/factory)
version=${release##*/}

let_run() {
    mkdir -p "$home/opt/releases"
    [ -L "$home/opt/releases/$version" ] || rm -rf "$home/opt/releases/$version"
    ln -sfn "$release" "$home/opt/releases/$version"
    ln -sfn "releases/$version" "$home/opt/$1"
    chown -h diemcau-update:diemcau-update "$home/opt" "$home/opt/releases" "$home/opt/releases/$version" "$home/opt/$1"
}
if [ "$(cat "$home/image" 2>/dev/null || true)" != "$image" ]; then
    rm -rf "$home"
    let_run current
    let_run proven
    printf '%s\n' "$image" >"$home/image.new"
    sync -f "$home"
    mv "$home/image.new" "$home/image"
    sync -f "$home"
fi
# What a bad disk has lost since: the system's own release runs, rather than none.
for link in current proven; do
    [ -s "$home/opt/$link/release.json" ] || let_run $link
done
ln -sfn "$home/opt" /run/diemcau-opt

# The wheels of that release need not be fetched again for the next one; a disk that is full does without.
wheels=/data/kept/var/lib/diemcau-update/wheels
{
    [ -d "$wheels" ] || install -d -o diemcau-update -g diemcau-shared -m 2750 "$wheels"
    find "$wheels" -maxdepth 1 -xtype l -delete
    for wheel in $here/wheels/*; do
        [ -e "$wheels/${wheel##*/}" ] || ln -s "$wheel" "$wheels"
    done
} || true
