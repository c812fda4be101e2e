#!/bin/bash
# Both README commands in a clean Debian root that holds git, make and python3 and nothing else.
#
#   tests/lab/clean_root.sh [SUITE] [COMMAND …]     default: bookworm, then demo and test
#
# Made by mmdebstrap (minbase), entered by chroot in mount, PID and network-sharing namespaces of its own;
# a clone of HEAD is what runs in it. The host's pip configuration and CA bundles come along, because a
# network may demand them. Ends with one line: PASSED or FAILED.
set -euo pipefail
suite=${1:-bookworm}
shift || true
[ $# -gt 0 ] || set -- 'make demo ARGS="--once --json"' 'make test'

source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
root=$(mktemp -d --tmpdir diemcau-root-XXXXXX)
trap 'rm -rf --one-file-system "$root"' EXIT

mmdebstrap --quiet --variant=minbase --include=git,make,python3 "$suite" "$root"
echo "root: $(du -sh "$root" | cut -f1), $(chroot "$root" dpkg-query -W | wc -l) packages," \
    "$(chroot "$root" python3 --version)"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# A mirror that stands still serves lists of Debian's next release that have run out; the signature still holds.
echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90standing-mirror"
git clone --quiet "$source" "$root/root/diemcau"

passed=(env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
for file in /etc/pip.conf "${SSL_CERT_FILE:-/nonexistent}" "${NODE_EXTRA_CA_CERTS:-/nonexistent}"; do
    [ -e "$file" ] && install -D -m 644 "$file" "$root/host$file"
done
[ -e "$root/host/etc/pip.conf" ] && passed+=(PIP_CONFIG_FILE=/host/etc/pip.conf)
[ -n "${SSL_CERT_FILE:-}" ] && passed+=("PIP_CERT=/host$SSL_CERT_FILE")
[ -n "${NODE_EXTRA_CA_CERTS:-}" ] && passed+=("NODE_EXTRA_CA_CERTS=/host$NODE_EXTRA_CA_CERTS")

verdict=PASSED
for command in "$@"; do
    echo "── $command"
    started=$SECONDS
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child -- sh -c '
        root=$1; shift
        mount --bind "$root" "$root" # as on a real machine, / is a mount
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/tmp"
        exec chroot "$root" "$@"' sh "$root" "${passed[@]}" sh -c "cd /root/diemcau && $command" ||
        verdict=FAILED
    echo "── $((SECONDS - started)) s: $command"
done
echo "clean $suite root: $verdict"
[ $verdict = PASSED ]
