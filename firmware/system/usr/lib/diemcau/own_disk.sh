#!/bin/sh
# Is this disk (MAJOR:MINOR) the one the system was started from? udev asks for each partition of ours.
set -eu
[ "$(cat "/sys/dev/block/$(mountpoint -d /)/../dev")" = "$1" ]
