#!/bin/sh
# Whoever begins to record finds himself at another microphone, as some desktops' rules do: `astray.sh SOURCE`.
export PULSE_SERVER=unix:/run/diemcau-sound/native
pactl subscribe | sed -u -n "s/^Event 'new' on source-output #//p" | while read -r stream; do
    pactl move-source-output "$stream" "$1"
done
