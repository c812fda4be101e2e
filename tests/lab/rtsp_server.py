#!/usr/bin/python3
"""An IP camera for tests: GStreamer's RTSP server. Runs with Debian's own Python and `gi`.

    rtsp_server.py --port 8554                      a moving pattern, encoded here
    rtsp_server.py --port 8554 --file clip.h264     an elementary stream (annex B), repeated in real time
    rtsp_server.py --port 8554 --file clip.mp4      an MP4 file, once
    … | rtsp_server.py --port 8554 --file -         an elementary stream as it comes in
    rtsp_server.py --port 8554 --small 320x180      the pattern in a second size, too, at /small
    rtsp_server.py --port 8554 --control            lines on its input: `key`, `pattern ball`

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
_CAPS = {
    "h264": "video/x-h264,stream-format=byte-stream,alignment=au",
    "h265": "video/x-h265,stream-format=byte-stream",
}


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


class Pattern:
    """A moving pattern, encoded here; while it is played it takes orders."""

    def __init__(self, options: argparse.Namespace, size: str) -> None:
        width, height = size.split("x")
        encoder = f"name=encoder bitrate=600 key-int-max={options.gop}"
        if options.codec == "h265":
            coded = f"x265enc {encoder} speed-preset=ultrafast tune=zerolatency"
        elif options.bframes:
            frames = f"bframes={options.bframes} b-adapt=false speed-preset=superfast"
            coded = f"x264enc {encoder} {frames} ! video/x-h264,profile=main"
        else:
            coded = f"x264enc {encoder} speed-preset=superfast tune=zerolatency"
        self.launch = (
            f"videotestsrc name=source is-live=true ! "
            f"video/x-raw,format=I420,width={width},height={height},framerate={options.fps}/1 ! {coded}"
        )
        self._pattern = options.pattern
        self._media: Any = None

    def play(self, _: object, media: Any) -> None:
        """A client wants it."""
        self._media = media
        self._draw()
        media.connect("unprepared", self._stop)

    def _stop(self, _: object) -> None:
        self._media = None

    def obey(self, order: str, value: str) -> None:
        """A key frame at once, or another pattern, also for who comes later."""
        if order == "pattern":
            self._pattern = value
            self._draw()
        elif order == "key" and self._media is not None:
            wish = Gst.Structure.new_from_string("GstForceKeyUnit,all-headers=(boolean)true")
            event = Gst.Event.new_custom(Gst.EventType.CUSTOM_UPSTREAM, wish)
            encoder = self._media.get_element().get_child_by_name("encoder")
            encoder.get_static_pad("src").send_event(event)

    def _draw(self) -> None:
        if self._media is not None:
            source = self._media.get_element().get_child_by_name("source")
            Gst.util_set_object_arg(source, "pattern", self._pattern)


def obey(patterns: list[Pattern]) -> None:
    """Carry out the lines of our input."""
    for line in sys.stdin:
        order, _, value = line.strip().partition(" ")
        for pattern in patterns:
            GLib.idle_add(pattern.obey, order, value)


def guard(server: Any, user: str, password: str) -> None:
    """Let nobody in without them (HTTP basic)."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


def tell_clients(server: Any) -> None:
    """Print how many clients there are whenever that changes."""
    clients = 0

    def change(by: int) -> None:
        nonlocal clients
        clients += by
        print(f"clients {clients}", flush=True)

    def come(_: object, client: Any) -> None:
        change(1)
        client.connect("closed", lambda _: change(-1))

    server.connect("client-connected", come)


def factory(options: argparse.Namespace, source: Pattern | Feeder | None) -> Any:
    """What is played at one path."""
    made = GstRtspServer.RTSPMediaFactory()
    launch = f"filesrc location={options.file} ! qtdemux"
    if isinstance(source, Pattern):
        launch = source.launch
    elif isinstance(source, Feeder):
        launch = f"appsrc name=source is-live=true do-timestamp=true format=time caps={_CAPS[options.codec]}"
    if source is not None:
        made.connect("media-configure", source.play)
    payload = f"config-interval={0 if options.sets == 'sdp' else -1} timestamp-offset={options.offset}"
    codec = options.codec
    made.set_launch(f"( {launch} ! {codec}parse ! rtp{codec}pay name=pay0 pt=96 {payload} )")
    made.set_shared(True)
    if options.user:
        rights = ("access", "construct")
        role = ",".join([options.user, *(f"media.factory.{right}=(boolean)true" for right in rights)])
        made.add_role_from_structure(Gst.Structure.new_from_string(role))
    return made


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--address", default="198.51.100.1")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--gop", type=int, default=15, help="pictures from key frame to key frame (pattern)")
    parser.add_argument("--bframes", type=int, default=0, help="B-frames between two others (pattern)")
    parser.add_argument("--pattern", default="ball", help="what videotestsrc draws")
    parser.add_argument("--file", help="what to stream instead of the pattern")
    parser.add_argument("--codec", choices=["h264", "h265"], default="h264", help="of pattern or file")
    parser.add_argument("--sets", choices=["sdp", "inband"], default="sdp", help="where SPS and PPS are sent")
    parser.add_argument("--offset", type=int, default=-1, help="RTP time of the beginning, 0 to 2^32-1")
    parser.add_argument("--small", help="a second stream at /small: WIDTHxHEIGHT of the pattern, or a file")
    parser.add_argument("--user", default="", help="let in nobody but this user")
    parser.add_argument("--password", default="")
    parser.add_argument("--control", action="store_true", help="take orders on standard input")
    parser.add_argument("--tell-clients", action="store_true", help="print `clients N` when that changes")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(str(options.port))
    sources: dict[str, Pattern | Feeder | None] = {
        "/camera": Pattern(options, f"{options.width}x{options.height}")
    }
    if options.file is not None:
        played_once = options.file.endswith(".mp4")
        sources["/camera"] = None if played_once else Feeder(options.file, options.fps)
    if options.small is not None:
        film = Path(options.small).exists()
        sources["/small"] = Feeder(options.small, options.fps) if film else Pattern(options, options.small)
    for path, source in sources.items():
        server.get_mount_points().add_factory(path, factory(options, source))
    if options.user:
        guard(server, options.user, options.password)
    if options.tell_clients:
        tell_clients(server)
    if server.attach(None) == 0:
        sys.exit(f"port {options.port} is taken")
    if options.control:
        patterns = [source for source in sources.values() if isinstance(source, Pattern)]
        threading.Thread(target=obey, args=(patterns,), daemon=True).start()
    print(f"ready rtsp://{options.address}:{options.port}/camera", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
