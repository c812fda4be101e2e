#!/bin/sh
# What the updater asks of root: to put a system into the other slot, or to start from that. Nothing it says is believed: RAUC takes
# only what this image's keyring vouches for, and only a slot that holds such a system is started.
#   QUESTION ORDER install SHA256    QUESTION ORDER start    is answered by    QUESTION ok    QUESTION why not
set -eu
umask 022
. /usr/lib/diemcau/boot_loader.sh
asked=/run/diemcau/update-requests/system
said=/run/diemcau-system/said

question='' order='' what='' sum=''
read -r question order what sum <$asked || true
rm -f $asked
case "$question $order $sum" in *[!A-Za-z0-9_.:\ -]*) exit 0 ;; esac
[ -n "$slot" ] && [ -n "$question" ] && [ -n "$order" ] || exit 0

answer() {
    printf '%s %s\n' "$question" "$1" >$said.new
    mv $said.new $said
}

# What the other slot holds is whole, whether RAUC put it there or the box was flashed with it.
holds() {
    number=$([ "$other" = A ] && echo 0 || echo 1)
    state=$(sed -n "/^\[slot\.rootfs\.$number\]/,/^\[/s/^status=//p" /data/rauc.status 2>/dev/null || true)
    [ "$state" = ok ] || { [ -z "$state" ] && [ -e "/data/slots/$other/good" ]; }
}

case $what in
    install)
        if words=$(rauc install /var/lib/diemcau-update/systems/"$sum"/diemcau-*.raucb 2>&1); then
            chmod a+r /data/rauc.status # the updater looks there for what the slot holds
            answer ok
        else
            why=$(printf '%s\n' "$words" | sed -n 's/^LastError: //p')
            answer "$(printf '%s\n' "${why:-$words}" | tail -n 3 | tr '\n' ' ' | cut -c 1-400)"
        fi
        ;;
    start)
        if ! holds; then
            answer "there is no whole system in slot $other"
            exit 0
        fi
        rm -f "/data/slots/$other/left"
        cards >/data/slots/cards || true
        if ! tell_boot_loader "ORDER=$other $slot" "${other}_OK=1" "${other}_TRY=0"; then
            answer "grubenv cannot be written"
            exit 0
        fi
        # told first: an order that stands here was given to the boot loader, whatever came of it
        printf '%s\n' "$order" >/data/slots/chosen.new
        mv /data/slots/chosen.new /data/slots/chosen
        sync -f /data/slots
        answer ok
        systemctl reboot
        ;;
    *) answer "nothing of that kind is done here" ;;
esac
