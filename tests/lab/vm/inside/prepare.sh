#!/bin/sh
# Run once in the guest's root, by build.sh: what makes of a Debian root this hall's machine.
set -eu
cat >/etc/systemd/network/10-lab.network <<END
# ssh from outside
[Match]
MACAddress=52:54:00:00:00:01
[Network]
DHCP=ipv4
LinkLocalAddressing=no
[DHCPv4]
UseGateway=no
UseDNS=no
UseNTP=no
END
cat >/etc/systemd/network/20-uplink.network <<END
# the hall's line: the coordinator's services are at 198.51.100.1
[Match]
MACAddress=52:54:00:00:00:02
[Network]
Address=203.0.113.2/24
Gateway=203.0.113.1
LinkLocalAddressing=no
END
mkdir -p /etc/systemd/timesyncd.conf.d
printf '[Time]\nNTP=203.0.113.1\nFallbackNTP=\n' >/etc/systemd/timesyncd.conf.d/lab.conf
systemctl enable --quiet systemd-networkd.service ssh.service
systemctl disable --quiet systemd-networkd-wait-online.service 2>/dev/null || true
systemctl mask --quiet getty@tty1.service apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer \
    dpkg-db-backup.timer systemd-pstore.service e2scrub_reap.service
systemctl --global --quiet mask pulseaudio.socket pulseaudio.service
ssh-keygen -A >/dev/null
echo 'PermitRootLogin prohibit-password
UseDNS no' >/etc/ssh/sshd_config.d/lab.conf

# Two cameras, and the two ends of an HDMI cable: cec0 is the television, cec1 the unit.
echo 'options vivid n_devs=2 node_types=0x1,0x101 num_inputs=1,2 input_types=0x00,0x0c num_outputs=0,1 output_types=0x00,0x01' \
    >/etc/modprobe.d/lab.conf
# What a loudspeaker plays into the first card's device 0 comes out of its device 1, and the other way round.
echo 'options snd-aloop index=0 id=hall pcm_substreams=1' >>/etc/modprobe.d/lab.conf
printf 'vivid\nsnd-aloop\nuinput\n' >/etc/modules-load.d/lab.conf
# vivid's cameras have no serial number and share one path, as no two real ones do: udev gives them one each.
cat >/etc/udev/rules.d/70-lab.rules <<END
SUBSYSTEM=="video4linux", ATTR{name}=="vivid-000-vid-cap", SYMLINK+="v4l/by-id/usb-vivid_camera_000-video-index0"
SUBSYSTEM=="video4linux", ATTR{name}=="vivid-001-vid-cap", SYMLINK+="v4l/by-id/usb-vivid_camera_001-video-index0"
END
cat >/etc/systemd/system/lab-television.service <<END
[Unit]
Description=The television of the lab
[Service]
ExecStart=/opt/lab/television.sh
Restart=on-failure
RestartSec=2
[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/lab-air.service <<END
[Unit]
Description=The air between the lab's loudspeaker and microphone
After=diemcau-sound.service
[Service]
# the sound server looks at a card only while nobody has it open
Environment=PULSE_SERVER=unix:/run/diemcau-sound/native
ExecStartPre=/bin/sh -c 'until runuser -u diemcau-media -- pactl list short sources | grep -q aloop; do sleep 1; done'
ExecStart=/opt/diemcau/bin/python /opt/lab/cable.py
TimeoutStartSec=120
Restart=always
RestartSec=1
END
systemctl enable --quiet lab-television.service
mkdir -p /repo
echo 'repo /repo 9p trans=virtio,version=9p2000.L,ro,cache=none,nofail,msize=262144 0 0' >>/etc/fstab
