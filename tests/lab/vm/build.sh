#!/bin/bash
# The guest's disk: a Debian root with kernel, what a unit needs and a Python environment with what the lock says.
#
#   tests/lab/vm/build.sh FOLDER       (root, mmdebstrap, qemu-utils, e2fsprogs; about 6 minutes, then cached)
#
# Makes in FOLDER: base.img (ext4), vmlinuz, initrd.img, key (for ssh), wheels/. Each step is done again only
# when what it is made from has changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(git -C "$here" rev-parse --show-toplevel)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
python=$source/.venv/bin/python

fresh() { # fresh NAME SUM: is NAME made from what has this sum?
    [ -e "$folder/$1" ] && [ "$(cat "$folder/$1.made-from" 2>/dev/null)" = "$2" ]
}
made() { echo "$2" >"$folder/$1.made-from"; }
sum() { cat "$@" | sha256sum | cut -d' ' -f1; }

packages=$(sed 's/#.*//' "$here/packages.txt" | xargs | tr ' ' ,)
of_root=$(echo "$packages" | sha256sum | cut -d' ' -f1)
if ! fresh root.tar "$of_root"; then
    echo "lab: Debian root" >&2
    mmdebstrap --quiet --variant=minbase --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --include="$packages" bookworm "$folder/root.tar"
    made root.tar "$of_root"
fi

of_wheels=$(sum "$source/requirements.lock")
if ! fresh wheels "$of_wheels"; then
    echo "lab: wheels of the lock" >&2
    rm -rf "$folder/wheels"
    "$python" - "$source/requirements.lock" >"$folder/requirements" <<'END'
# what the agent and its tests need, and what that needs; one requirement of the lock a line
import pathlib, re, sys
from importlib.metadata import requires
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

needed, left = set(), [Requirement(name) for name in ("diemcau-agent", "pytest", "pytest-timeout", "hypothesis")]
while left:
    one = left.pop()
    for extra in ("", *one.extras):
        if (key := (canonicalize_name(one.name), extra)) in needed:
            continue
        needed.add(key)
        more = map(Requirement, requires(one.name) or [])
        left += [each for each in more if each.marker is None or each.marker.evaluate({"extra": extra})]
names = {name for name, _ in needed}
for line in pathlib.Path(sys.argv[1]).read_text().replace("\\\n", " ").splitlines():
    if canonicalize_name(re.split(r"[=\[ ;]", line, maxsplit=1)[0] or "-") in names:
        print(line)
END
    "$python" -m pip wheel --quiet --no-deps --require-hashes -r "$folder/requirements" -w "$folder/wheels"
    made wheels "$of_wheels"
fi

[ -e "$folder/key" ] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$folder/key"

of_image=$(sum <(echo "$of_root $of_wheels") "$here/build.sh" "$here"/inside/*)
if ! fresh base.img "$of_image"; then
    echo "lab: the guest's disk" >&2
    root=$(mktemp -d --tmpdir diemcau-guest-XXXXXX)
    trap 'rm -rf --one-file-system "$root"' EXIT
    tar -C "$root" -xf "$folder/root.tar"
    cp "$root"/boot/vmlinuz-* "$folder/vmlinuz"
    cp "$root"/boot/initrd.img-* "$folder/initrd.img"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*

    echo hall >"$root/etc/hostname"
    printf '127.0.0.1 localhost hall\n' >"$root/etc/hosts"
    : >"$root/etc/resolv.conf"
    echo '/dev/vda / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
    install -D -m 600 "$folder/key.pub" "$root/root/.ssh/authorized_keys"
    cp -r "$here/inside/." "$root/opt/lab"
    chmod 755 "$root"/opt/lab/*
    chroot "$root" /opt/lab/prepare.sh

    # what the product needs, from wheels alone: the guest has no network to fetch anything from
    mkdir -p "$root/opt/wheels"
    cp "$folder"/wheels/*.whl "$root/opt/wheels"
    "$python" -m pip wheel --quiet --no-deps --no-index --no-build-isolation --no-cache-dir \
        -w "$root/opt/wheels" "$source/wire" "$source/agent"
    chroot "$root" sh -ec '
        python3 -m venv /opt/diemcau
        /opt/diemcau/bin/pip install --quiet --no-index --find-links /opt/wheels \
            diemcau-agent pytest pytest-timeout hypothesis
        rm -rf /opt/wheels'
    rm -f "$folder/base.img" # a guest that runs keeps the old file open
    mke2fs -q -t ext4 -d "$root" "$folder/base.img" 5000M
    made base.img "$of_image"
fi
echo "lab: the guest is built" >&2
