#!/bin/sh
# Wipes a unit: hall and identity first, its way in and itself last. Started again at boot until it is through.
set -eu
rm -rf /var/lib/diemcau-agent
rm -f /boot/diemcau.toml /boot/firmware/diemcau.toml
cd /etc/systemd/system
for unit in diemcau-*.path diemcau-*.timer diemcau-*.socket diemcau-*.service; do
    case $unit in diemcau-retire.service | *'*'* | *@.*) continue ;; esac
    systemctl disable --quiet --now "$unit" || true
done
systemctl stop 'diemcau-media@*.service' 'diemcau-sshd@*.service' || true
# would end Debian's own SSH within the hour after provisioning: what is left is a bare machine again
systemctl stop diemcau-debian-ssh-ends.timer || true
# what was running until now may have written once more
rm -rf /var/lib/diemcau-agent /var/lib/diemcau-shared /var/lib/diemcau-update /var/lib/diemcau-maintenance /run/diemcau
rm -rf /opt/diemcau /usr/local/bin/diemcau-agent /etc/diemcau
rm -f /etc/sudoers.d/diemcau-maintenance /etc/udev/rules.d/70-diemcau.rules /etc/sysctl.d/70-diemcau.conf
rm -f /usr/lib/tmpfiles.d/diemcau.conf /usr/lib/sysusers.d/diemcau.conf
rm -f /etc/systemd/journald.conf.d/diemcau.conf /etc/systemd/system.conf.d/diemcau.conf
rm -f /etc/systemd/timesyncd.conf.d/diemcau.conf
systemctl unmask --quiet getty@tty1.service
for unit in diemcau-*; do
    case $unit in diemcau-retire.*) ;; *) rm -rf "$unit" ;; esac
done
systemctl disable --quiet diemcau-retire.service
rm -rf diemcau-retire.service /usr/local/lib/diemcau-retire
systemctl daemon-reload
sync
