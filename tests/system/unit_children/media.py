"""A media process for tests of the unit: joins nothing, says what media says, notes what it is told.

Faults on demand, by files in the folder $UNIT_TEST: `media-fault` (janus_lost, exit 1), `media-hangs`
(says nothing more), `media-measured` (what a check measures, by part), `check-hangs`.
"""

import json
import os
import select
import signal
import sys
from pathlib import Path

from diemcau_agent.ipc import decode_line, encode_line, inherited
from diemcau_agent.lifetime import die_with_parent

FOLDER = Path(os.environ["UNIT_TEST"])


def asked(name: str) -> bool:
    path = FOLDER / name
    if not path.exists():
        return False
    path.unlink()
    return True


def main() -> int:
    die_with_parent()
    sock, _ = inherited().accept()
    told = (FOLDER / "media.told").open("a")

    def say(type: str, **more: object) -> None:
        sock.sendall(encode_line({"type": type, **more}))

    buffer = b""
    started = mic = False
    video: list[str | None] = [None, None]
    frames = 0
    while True:
        readable, _, _ = select.select([sock], [], [], 0.2)
        if readable:
            part = sock.recv(65536)
            if not part:
                return 0
            buffer += part
        *lines, buffer = buffer.split(b"\n")
        for data in lines:
            line = decode_line(data)
            told.write(json.dumps({**line, "pid": os.getpid()}) + "\n")
            told.flush()
            match line["type"]:
                case "start":
                    started = True
                    say("session", id=os.getpid())
                    say("camera", open=True, encoder="none")
                    say("microphone", open=True)
                    say("joined", ms=12)
                case "floor":
                    video, mic = line["video"], line["mic"]
                case "check":
                    say("checking", parts=line["parts"])
                    if asked("check-hangs"):
                        signal.pause()
                    say("camera", open=True, encoder="none")
                    said = FOLDER / "media-measured"
                    measured = json.loads(said.read_text()) if said.exists() else {}
                    for part in line["parts"]:
                        if part in measured:
                            say("measured", part=part, values=measured[part])
                    say("checked", measured=measured)
                    return 0
                case "stop":
                    say("camera", open=False)
                    say("left")
                    return 0
        if started:
            if asked("media-fault"):
                say("fault", what="janus_lost", text="asked for")
                return 1
            if asked("media-hangs"):
                signal.pause()
            frames += 5
            say(
                "stats",
                video_out={"frames": frames, "key_frames": 1, "encoder": "none"},
                slots=[{"site": site, "frames": frames if site else 0, "age_ms": 40} for site in video],
                audio=[],
                mic=mic,
            )


sys.exit(main())
