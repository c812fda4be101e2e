#!/bin/sh
# The television at the other end of the HDMI cable: the adapter of vivid's capture side.
set -eu
adapter=
for device in /dev/cec*; do
    if cec-ctl -d "$device" 2>/dev/null | grep -q 'Adapter Name.*-vid-cap'; then adapter=$device; fi
done
[ -n "$adapter" ] || { echo "no television's side of a CEC cable" >&2; exit 1; }
cec-ctl -d "$adapter" --tv --osd-name Tivi >/dev/null
exec cec-follower -d "$adapter"
