# For scripts: which slot this is, and a way to tell the boot loader (firmware/grub/grub.cfg says what).
env=/boot/efi/EFI/BOOT/grubenv
now=/run/diemcau-grubenv.$$
slot=$(sed -n 's/.*\brauc\.slot=\([AB]\)\b.*/\1/p' /proc/cmdline)
other=$([ "$slot" = A ] && echo B || echo A)

# Written in one piece over the old one: cut short, its length stays what the boot loader insists on.
tell_boot_loader() {
    { { cp $env $now && [ "$(stat -c %s $now)" = 1024 ]; } || cp /usr/lib/diemcau/grubenv $now; } &&
        grub-editenv $now set "$@" "machine_id=$(cat /etc/machine-id)" &&
        { cmp -s $now $env || dd if=$now of=$env bs=1024 conv=notrunc,fsync status=none; }
}
