#!/bin/sh
# Somebody who stands at the box with a keyboard may log in for so many minutes (diemcau-maintenance) by the password that is printed
# here; the television shows where. Nothing of it is on the disk: when the time is over, or the box starts again, nobody may.
#   open MINUTES | close
set -eu
umask 077
here=/run/diemcau-terminal
logins=/etc/shadow

# VT_ACTIVATE: the compositor takes no keys, so nobody could switch by hand
show() { perl -e 'open(my $tty, "<", "/dev/tty0") and ioctl($tty, 0x5606, 0 + shift)' "$1" || true; }

close() {
    show 7 # TTYPath of diemcau-weston.service
    systemctl stop diemcau-terminal.service diemcau-terminal-end.timer 2>/dev/null || true
    pkill -KILL -t tty2 || true
    while umount $logins 2>/dev/null; do :; done
    rm -rf $here
}

case ${1:-}:${2:-} in
    close:) close ;;
    open:[1-9] | open:[1-5][0-9] | open:60)
        close
        mkdir $here
        password=$(LC_ALL=C tr -dc a-km-np-z2-9 </dev/urandom | head -c 10)
        hash=$(printf '%s' "$password" | perl -e 'print crypt(<STDIN>, "\$6\$" . shift)' "$(LC_ALL=C tr -dc a-z </dev/urandom | head -c 16)")
        sed "s|^diemcau-maintenance:[^:]*:|diemcau-maintenance:$hash:|" $logins >$here/shadow
        # its end first: cut short here, nothing stays open
        systemd-run --quiet --collect --unit=diemcau-terminal-end --on-active="$2m" --timer-property=AccuracySec=1s \
            /bin/sh /usr/lib/diemcau/terminal.sh close
        mount --bind $here/shadow $logins
        systemctl start diemcau-terminal.service
        show 2
        logger -t diemcau-terminal "open for $2 minutes"
        printf '%s\n' "$password"
        ;;
    *)
        echo "say open and for how many minutes, 1 to 60, or close" >&2
        exit 2
        ;;
esac
