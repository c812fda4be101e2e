#!/bin/sh
# Make sure the Debian packages a purpose needs are there: debian-packages.sh run|test|bench|lab|image
# Installs only what is missing, with sudo when not root, and leaves no system service of theirs running.
# Exit 3, naming the packages, when it cannot.
set -eu
PATH=$PATH:/usr/sbin:/sbin

missing=
need() { # need PACKAGE TEST…: the package is missing when the test fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
command_() { command -v "$1"; }
gi() { /usr/bin/python3 -c "import gi; gi.require_version('GstRtspServer', '1.0')"; }
library() { ldconfig -p | grep -F "$1"; }
alsa_plugin() { ls /usr/lib/*/alsa-lib/"libasound_module_pcm_$1.so"; }
faketime() { ls /usr/lib/*/faketime/libfaketimeMT.so.1; }
element() { ls /usr/lib/*/gstreamer-1.0/"libgst$1.so"; }

need python3-venv "${PYTHON:-python3}" -c "import venv, ensurepip"
need ca-certificates test -s /etc/ssl/certs/ca-certificates.crt
need mosquitto command_ mosquitto
need janus command_ janus
need nginx-light command_ nginx
need iproute2 command_ ip
need openssh-server command_ sshd # where units dial in
need fonts-noto-core test -s /usr/share/fonts/truetype/noto/NotoSans-Regular.ttf
case "$1" in run | image) ;; *) need xvfb command_ Xvfb ;; esac
if [ "$1" = lab ]; then
    need mmdebstrap command_ mmdebstrap
    need qemu-system-x86 command_ qemu-system-x86_64
    need qemu-utils command_ qemu-img
    need e2fsprogs command_ mke2fs
    need openssh-client command_ ssh
    need systemd-container command_ systemd-nspawn
    need curl command_ curl
fi
if [ "$1" = image ]; then
    need mmdebstrap command_ mmdebstrap
    need squashfs-tools command_ mksquashfs
    need dosfstools command_ mkfs.vfat
    need mtools command_ mcopy
    need fdisk command_ sfdisk
    need xz-utils command_ xz
    need grub-common command_ grub-mkimage
    need rauc command_ rauc
    if [ "${ARCH:-amd64}" = arm64 ] && [ "$(uname -m)" != aarch64 ]; then
        need qemu-user-static command_ qemu-aarch64-static # its programs run here while its system is made
    fi
fi
if [ "$1" != run ] && [ "$1" != image ]; then
    need chromium command_ chromium
    need chromium-l10n test -s /usr/lib/chromium/locales/vi.pak # dates as a Vietnamese browser draws them
    need libatomic1 library libatomic.so.1 # for the program that drives Chromium
    need libjs-janus-gateway test -s /usr/share/javascript/janus-gateway/janus.js
    need weston command_ weston
    need libegl1 library libEGL.so.1 # what the screen draws with on weston
    need libgles2 library libGLESv2.so.2
    need libgl1-mesa-dri test -e /usr/lib/"$(uname -m)"-linux-gnu/dri/swrast_dri.so
    need python3-gi /usr/bin/python3 -c "import gi"
    need gir1.2-gst-rtsp-server-1.0 gi
    need gstreamer1.0-plugins-base element videotestsrc
    need gstreamer1.0-plugins-good element rtp
    need gstreamer1.0-plugins-bad element videoparsersbad
    need gstreamer1.0-plugins-ugly element x264
    need openssh-client command_ ssh-keygen # certificates of the SSH authorities, read by OpenSSH itself
    need pulseaudio command_ pulseaudio # a sound server without a sound card
    need pulseaudio-utils command_ pactl
    need libasound2-plugins alsa_plugin pulse
    need libfaketime faketime # a box whose clock is wrong
    need libportaudio2 library libportaudio.so.2
fi
[ -n "$missing" ] || exit 0

give_up() {
    echo "Missing Debian packages:$missing" >&2
    echo "$1" >&2
    echo "When they are installed, run the command again." >&2
    exit 3
}
command -v apt-get >/dev/null || give_up "This is not a Debian system."
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    give_up "They need root, and there is no sudo."
fi

echo "Installing Debian packages:$missing" >&2
unit_of() { # how the package calls its service
    case "$1" in openssh-server) echo ssh ;; *) echo "${1%-light}" ;; esac
}
services=
for service in mosquitto janus nginx-light openssh-server; do
    case " $missing " in *" $service "*) services="$services $(unit_of "$service").service" ;; esac
done

# Nothing the packages bring may be started: the product runs its own, with its own configuration.
policy=/usr/sbin/policy-rc.d
temporary=
lists=
clean_up() {
    for path in $temporary $lists; do $as_root rm -rf "$path"; done
}
trap clean_up EXIT
trap 'exit 1' INT TERM
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    temporary=$policy
fi
$as_root apt-get update -qq || give_up "apt-get update failed."
apt=$as_root
absent() { # of the missing packages those that apt does not know
    for package in $missing; do
        $apt env LC_ALL=C apt-cache policy "$package" | grep -q "Candidate: [0-9]" || printf ' %s' "$package"
    done
}
absent=$(absent)

# Debian 13 was released without Janus; Debian 14 has it again, and its package runs on 13. It is fetched, with
# what only it needs, by lists and preferences of this one call: those of the system stay as they are.
release=$(. /etc/os-release && echo "$PRETTY_NAME")
if [ -n "$absent" ] && grep -q '^VERSION_CODENAME=trixie$' /etc/os-release; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: trixie' | head -n 1)
    lists=$($as_root mktemp -d)
    $as_root chmod 755 "$lists"
    $as_root mkdir -p "$lists/state/partial"
    $as_root cp -r /etc/apt/sources.list.d /etc/apt/preferences.d "$lists"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror forky main" |
        $as_root tee "$lists/sources.list.d/borrowed.list" >/dev/null
    printf 'Package: *\nPin: release n=forky\nPin-Priority: 1\n' |
        $as_root tee "$lists/preferences.d/borrowed" >/dev/null
    cat <<END | $as_root tee "$lists/apt.conf" >/dev/null
Dir::Etc::SourceParts "$lists/sources.list.d";
Dir::Etc::PreferencesParts "$lists/preferences.d";
Dir::State::Lists "$lists/state";
APT::Sandbox::User "root";
END
    apt="$as_root env APT_CONFIG=$lists/apt.conf"
    $apt apt-get update -qq || give_up "$release has no package$absent, and Debian 14's list could not be read."
    absent=$(absent)
fi
[ -z "$absent" ] || give_up "$release has no package$absent: use a release that has it."
# shellcheck disable=SC2086
said=$($apt env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing 2>&1) || {
    echo "$said" >&2
    give_up "apt-get could not install them."
}
if [ -n "$services" ] && command -v systemctl >/dev/null; then
    # shellcheck disable=SC2086
    $as_root systemctl disable --quiet $services 2>/dev/null || true
fi
