#!/bin/sh
# This start went well: the boot loader, which takes the other slot after three that did not, counts from zero again.
# A slot that starts for the first time has to show that the room works, too, or it is left at once.
set -eu
. /usr/lib/diemcau/boot_loader.sh
[ -n "$slot" ] || exit 0
good=/data/slots/$slot/good
unit() { setpriv --reuid diemcau-unit --regid diemcau-unit --clear-groups "$@"; }

# Why: a word that the updater knows, for whoever ordered this system, and more.
leave() {
    echo "this system is left: $1" >&2
    { printf '%s\n' "$1" >"/data/slots/$slot/left" && sync -f "/data/slots/$slot/left"; } || true
    tell_boot_loader "ORDER=$other $slot" "${slot}_OK=0" "${slot}_TRY=0"
    systemctl reboot
    exit 1
}

waited=0
until unit /opt/diemcau/current/bin/diemcau-agent status --json >/dev/null 2>&1; do
    sleep 5
    waited=$((waited + 5))
    [ -e "$good" ] || [ ! -e "/data/slots/$other/good" ] || [ $waited -lt 900 ] || leave "silent the unit does not answer"
done

# Where the other slot was never good there is nothing to go back to.
if [ ! -e "$good" ] && [ -e "/data/slots/$other/good" ]; then
    while :; do
        code=0
        why=$(setpriv --reuid diemcau-update --regid diemcau-update --init-groups \
            /opt/diemcau/current/bin/python -m diemcau_agent.updating.slot_gate) || code=$?
        case $code in
            0) break ;;
            75) sleep 60 ;; # a meeting runs with it: that is judged afterwards
            *) leave "${why:-fault the room was not checked}" ;;
        esac
    done
    # A line that is down says nothing against a system. A card that is plugged in as before and has no driver does: nobody would
    # reach this box again.
    for card in $(cat /data/slots/cards 2>/dev/null || true); do
        waited=0
        while [ -e "$card" ] && [ ! -e "$card/driver" ]; do
            [ $waited -lt 60 ] || leave "fault no driver for the network card at $card"
            sleep 5
            waited=$((waited + 5))
        done
    done
fi
tell_boot_loader "${slot}_OK=1" "${slot}_TRY=0"
touch "$good"
sync -f "$good"
