"""A screen process for tests of the unit: says what a screen says, draws nothing, notes what it is told.

Faults on demand, by files in the folder $UNIT_TEST: `screen-hangs` (says nothing more).
"""

import json
import os
import select
import sys
import time
import zlib
from pathlib import Path

from diemcau_agent.ipc import decode_line, encode_line, inherited
from diemcau_agent.lifetime import die_with_parent

FOLDER = Path(os.environ["UNIT_TEST"])


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    data = zlib.compress(b"\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def main() -> None:
    die_with_parent()
    sock, _ = inherited().accept()
    (FOLDER / "screen.arguments").write_text(" ".join(sys.argv[1:]))
    sock.sendall(
        b"this is no line\n" + encode_line({"type": "ready", "width": 1, "height": 1, "driver": "none"})
    )
    told = (FOLDER / "screen.told").open("a")
    slots: dict[str, int] = {}
    buffer = b""
    while True:
        if (FOLDER / "screen-hangs").exists():
            (FOLDER / "screen-hangs").unlink()
            select.select([], [], [])
        readable, _, _ = select.select([sock], [], [], 0.3)
        if readable:
            part = sock.recv(65536)
            if not part:
                return
            buffer += part
            *lines, buffer = buffer.split(b"\n")
            for data in lines:
                line = decode_line(data)
                told.write(json.dumps({**line, "heard_at": time.time()}) + "\n")
                told.flush()
                if line["type"] == "show":
                    meeting = line["meeting"] or {"slots": []}
                    slots = {slot["site"]: slots.get(slot["site"], 0) for slot in meeting["slots"] if slot}
                elif line["type"] == "snapshot":
                    Path(line["path"]).write_bytes(png())
                    answer = {
                        "type": "snapshot",
                        "id": line["id"],
                        "ok": True,
                        "width": 1,
                        "height": 1,
                        "error": None,
                    }
                    sock.sendall(encode_line(answer))
        slots = {site: frames + 5 for site, frames in slots.items()}
        shown = [{"site": site, "frames_shown": frames} for site, frames in slots.items()]
        sock.sendall(encode_line({"type": "stats", "slots": shown}))


main()
