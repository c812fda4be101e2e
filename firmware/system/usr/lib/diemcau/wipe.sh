#!/bin/sh
# This box leaves service: retire.yml left a mark on its data partition. Nothing of its hall stays, and the box is as new. The
# mark goes last, so a power cut only makes it begin again.
set -eu
drive=/run/diemcau-drive
find /data -xdev -mindepth 1 -maxdepth 1 ! -name wipe -exec rm -rf {} +
mkdir -p $drive
# a drive that cannot be mounted cannot be read by the next hall's box either
if mount -t vfat -o nodev,nosuid,noexec /dev/diemcau/diemcau $drive; then
    cp /usr/lib/diemcau/diemcau.toml $drive/diemcau.toml || true
    umount $drive
fi
sync -f /data
fstrim /data 2>/dev/null || true
rm /data/wipe
sync -f /data
