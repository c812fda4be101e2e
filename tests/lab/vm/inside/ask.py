"""Ask the unit process of this hall, as its page and its command line do: `ask.py REQUEST SECONDS`.

The command line itself gives up after what is long for a unit, and here everything takes longer.
"""

import json
import socket
import sys

with socket.socket(socket.AF_UNIX) as line:
    line.settimeout(float(sys.argv[2]))
    line.connect("/var/lib/diemcau-agent/run/unit.sock")
    line.sendall(json.dumps({"type": sys.argv[1]}).encode() + b"\n")
    with line.makefile() as answers:
        sys.stdout.write(answers.readline())
