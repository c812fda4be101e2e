#!/usr/bin/python3
"""An IP camera for tests: GStreamer's RTSP server. Runs with Debian's own Python and `gi`.

    rtsp_server.py --port 8554                      a moving pattern, encoded here
    rtsp_server.py --port 8554 --file clip.h264     an elementary stream (annex B), repeated in real time
    rtsp_server.py --port 8554 --file clip.mp4      an MP4 file, once
    … | rtsp_server.py --port 8554 --file -         an elementary stream as it comes in

Prints `ready rtsp://…` when it listens. The stream is at /camera. It ends with its parent.
"""

from __future__ import annotations

import argparse
import ctypes
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_SLICE, _IDR, _SEI, _SPS, _PPS, _AUD = 1, 5, 6, 7, 8, 9
_CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"


def nal_units(stream: BinaryIO) -> Iterator[bytes]:
    """NAL units without start codes, as soon as the next one begins."""
    rest = b""
    while data := stream.read1(65536):
        rest += data
        parts = rest.split(b"\0\0\1")
        for part in parts[:-1]:
            if part.strip(b"\0"):
                yield part[:-1] if part.endswith(b"\0") else part
        rest = parts[-1] if len(parts) == 1 else b"\0\0\1" + parts[-1]
    if last := rest.removeprefix(b"\0\0\1"):
        yield last


def access_units(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Access units in annex B, and whether they can be decoded alone."""
    unit, has_slice, key = b"", False, False
    for nal in nal_units(stream):
        kind = nal[0] & 0x1F
        starts = kind in (_SEI, _SPS, _PPS, _AUD) or (kind in (_SLICE, _IDR) and nal[1] & 0x80)
        if has_slice and starts:
            yield unit, key
            unit, has_slice, key = b"", False, False
        unit += b"\0\0\0\1" + nal
        has_slice = has_slice or kind in (_SLICE, _IDR)
        key = key or kind == _IDR
    if has_slice:
        yield unit, key


class Feeder:
    """Pushes access units into the appsrc of the media that is being played, from a key frame on."""

    def __init__(self, file: str, fps: float) -> None:
        self._file, self._fps = file, fps
        self._source: Any = None
        self._waiting = True
        threading.Thread(target=self._run, daemon=True).start()

    def play(self, _: object, media: Any) -> None:
        """A client wants the stream."""
        self._waiting, self._source = True, media.get_element().get_child_by_name("source")
        media.connect("unprepared", self._stop)

    def _stop(self, _: object) -> None:
        self._source = None

    def _units(self) -> Iterator[tuple[bytes, bool]]:
        if self._file == "-":
            yield from access_units(sys.stdin.buffer)
            return
        while True:
            due = time.monotonic()
            with Path(self._file).open("rb") as stream:
                for unit in access_units(stream):
                    due += 1 / self._fps
                    time.sleep(max(0.0, due - time.monotonic()))
                    if self._source is None:
                        break  # the next client gets it from the beginning
                    yield unit

    def _run(self) -> None:
        for unit, key in self._units():
            if (source := self._source) is not None and (key or not self._waiting):
                self._waiting = False
                source.emit("push-buffer", Gst.Buffer.new_wrapped(unit))


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--address", default="198.51.100.1")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--gop", type=int, default=15, help="pictures from key frame to key frame (pattern)")
    parser.add_argument("--file", help="what to stream instead of the pattern")
    parser.add_argument("--sets", choices=["sdp", "inband"], default="sdp", help="where SPS and PPS are sent")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG

    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    if options.file is None:
        source = (
            "videotestsrc is-live=true pattern=ball ! "
            f"video/x-raw,width={options.width},height={options.height},framerate={options.fps}/1 ! "
            f"x264enc tune=zerolatency speed-preset=superfast bitrate=600 key-int-max={options.gop}"
        )
    elif options.file.endswith(".mp4"):
        source = f"filesrc location={options.file} ! qtdemux"
    else:
        source = f"appsrc name=source is-live=true do-timestamp=true format=time caps={_CAPS}"
        factory.connect("media-configure", Feeder(options.file, options.fps).play)
    interval = 0 if options.sets == "sdp" else -1
    factory.set_launch(f"( {source} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval={interval} )")
    factory.set_shared(True)
    server = GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(str(options.port))
    server.get_mount_points().add_factory("/camera", factory)
    if server.attach(None) == 0:
        sys.exit(f"port {options.port} is taken")
    print(f"ready rtsp://{options.address}:{options.port}/camera", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
