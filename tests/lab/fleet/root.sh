#!/bin/sh
# A bare Debian 12 as a folder, for nodes to lie over it.
#
#   tests/lab/fleet/root.sh FOLDER      (root, mmdebstrap; about a minute, then cached)
#
# Makes in FOLDER: root/, key (for ssh). Whoever comes second waits for the first.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
exec 9>"$folder/.lock"
flock 9

[ -e "$folder/key" ] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$folder/key"
packages=$(sed 's/#.*//' "$here/packages.txt" | xargs | tr ' ' ,)
of=$(cat "$here/root.sh" "$here/packages.txt" | sha256sum)
[ "$(cat "$folder/root.made-from" 2>/dev/null || true)" != "$of" ] || exit 0

echo "lab: a bare Debian" >&2
rm -rf --one-file-system "$folder/root"
mmdebstrap --quiet --variant=minbase --include="$packages" --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' bookworm "$folder/root"
cd "$folder/root"
rm -rf var/cache/apt/* var/lib/apt/lists/* etc/apt/sources.list etc/apt/sources.list.d/* etc/ssh/ssh_host_*
: >etc/machine-id
: >etc/resolv.conf # whoever looks up a name is told at once that there is none
install -D -m 600 "$folder/key.pub" root/.ssh/authorized_keys
# What asks the hardware or the kernel for what a node has not got.
for unit in systemd-networkd-wait-online.service systemd-resolved.service; do
    ln -sf /dev/null "etc/systemd/system/$unit"
done
echo "$of" >"$folder/root.made-from"
