#!/bin/sh
# A plain Debian with the packages an image was made from: same kernel, an sshd, nothing else. For comparison.
#
#   plain.sh CACHE FOLDER    (root; CACHE as `make image` keeps it) → FOLDER/disk.img, vmlinuz, initrd.img
set -eu
cache=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"
rm -rf --one-file-system tree
mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
    --include=linux-image-amd64,initramfs-tools,zstd,systemd,systemd-sysv,udev,dbus,openssh-server,iproute2,kmod \
    --aptopt='APT::Install-Recommends "false"' \
    bookworm tree "deb [trusted=yes] copy:$cache/amd64/repository ./"
cp tree/boot/vmlinuz-* vmlinuz
cp tree/boot/initrd.img-* initrd.img
echo plain >tree/etc/hostname
printf '127.0.0.1 localhost plain\n' >tree/etc/hosts
: >tree/etc/resolv.conf
echo '/dev/vda / ext4 defaults 0 1' >tree/etc/fstab
printf '[Match]\nName=e*\n[Network]\nAddress=203.0.113.3/24\nLinkLocalAddressing=no\n' \
    >tree/etc/systemd/network/10-lab.network
chroot tree systemctl enable --quiet systemd-networkd.service ssh.service
mke2fs -q -F -t ext4 -d tree disk.img 2500M
rm -rf --one-file-system tree
