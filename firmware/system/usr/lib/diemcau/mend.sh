#!/bin/sh
# The data partition, before it is mounted: mended as far as it can be. One that can be read but not mended is made anew, because
# a box that shows its nine digits can be enrolled by telephone, and one that starts again and again cannot. What cannot be
# read is left as it is: that may be the line to the disk, and the next start reads it.
set -eu
device=/dev/diemcau/diemcau-data
at=/run/diemcau-mend
mkdir -p $at

for again in 1 2 3; do
    # the first superblock, or the copies of it that a partition of this size has: 4 KiB blocks, as systemd-repart makes it
    for block in '' '-b 32768 -B 4096' '-b 98304 -B 4096'; do
        code=0
        # shellcheck disable=SC2086
        e2fsck -y $block $device || code=$?
        [ $code -ge 4 ] || exit 0
    done
    if mount -t ext4 $device $at; then
        umount $at
        exit 0
    fi
    sleep 5
done
dd if=$device of=/dev/null bs=1M count=256 status=none # ends this script where it cannot be read
echo "the data partition cannot be mended, and this box is a new one from now on" >&2
mkfs.ext4 -q -F $device
