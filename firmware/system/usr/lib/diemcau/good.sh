#!/bin/sh
# This start went well: the boot loader, which takes the other slot after three that did not, counts from zero again.
# A slot that starts for the first time has to show that the room works, too, or it is left at once.
set -eu
env=/boot/efi/EFI/BOOT/grubenv
now=/run/diemcau-grubenv
slot=$(sed -n 's/.*\brauc\.slot=\([AB]\)\b.*/\1/p' /proc/cmdline)
[ -n "$slot" ] || exit 0
other=$([ "$slot" = A ] && echo B || echo A)
good=/data/slots/$slot/good
unit() { setpriv --reuid diemcau-unit --regid diemcau-unit --clear-groups "$@"; }

# Written in one piece over the old one: cut short, its length stays what the boot loader insists on. One that cannot be read
# is made anew, or the boot loader would begin with A for ever.
tell_boot_loader() {
    rm -f $now
    cp $env $now || true
    if [ "$(stat -c %s $now)" != 1024 ] || ! grub-editenv $now list >/dev/null; then
        cp /usr/lib/diemcau/grubenv $now
        grub-editenv $now set "ORDER=$slot $other" "${other}_OK=$([ -e "/data/slots/$other/good" ] && echo 1 || echo 0)"
    fi
    grub-editenv $now set "$@" "machine_id=$(cat /etc/machine-id)"
    cmp -s $now $env || dd if=$now of=$env bs=1024 conv=notrunc,fsync status=none
}
leave() {
    echo "this system is left: $1" >&2
    tell_boot_loader "ORDER=$other $slot" "${slot}_OK=0" "${slot}_TRY=0"
    systemctl reboot
    exit 1
}

waited=0
until unit /opt/diemcau/current/bin/diemcau-agent status --json >/dev/null 2>&1; do
    sleep 5
    waited=$((waited + 5))
    [ -e "$good" ] || [ ! -e "/data/slots/$other/good" ] || [ $waited -lt 900 ] || leave "the unit does not answer"
done

# Where the other slot was never good there is nothing to go back to.
if [ ! -e "$good" ] && [ -e "/data/slots/$other/good" ]; then
    while :; do
        code=0
        setpriv --reuid diemcau-update --regid diemcau-update --init-groups \
            /opt/diemcau/current/bin/python -m diemcau_agent.updating.slot_gate || code=$?
        case $code in
            0) break ;;
            75) sleep 60 ;; # a meeting runs with it: that is judged afterwards
            *) leave "the room does not work with it" ;;
        esac
    done
fi
tell_boot_loader "${slot}_OK=1" "${slot}_TRY=0"
touch "$good"
sync -f "$good"
