"""The pure parts of the camera drivers: which mode, which stream, which name, how fast, in which order."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import pytest
from diemcau_agent.drivers.cameras import CameraLost
from diemcau_agent.drivers.coded_stream import Reordering
from diemcau_agent.drivers.onvif import Address, Profile
from diemcau_agent.drivers.onvif import choose as choose_profile
from diemcau_agent.drivers.pace import Pace
from diemcau_agent.drivers.rtsp import without_password
from diemcau_agent.drivers.v4l2 import choose as choose_mode
from diemcau_agent.drivers.v4l2_devices import Mode, find, resolve
from diemcau_agent.media.h264 import TimeLine
from diemcau_wire.messages import Video

VIDEO = Video(width=1280, height=720, fps=30, bitrate_bps=2_000_000)
WEBCAM = [
    Mode("YUYV", 640, 480, 30),
    Mode("YUYV", 1280, 720, 10),
    Mode("MJPG", 640, 480, 30),
    Mode("MJPG", 1280, 720, 30),
    Mode("MJPG", 1920, 1080, 30),
]


@pytest.mark.parametrize(
    ("modes", "best"),
    [
        (WEBCAM, Mode("MJPG", 1280, 720, 30)),
        ([*WEBCAM, Mode("H264", 1280, 720, 30)], Mode("H264", 1280, 720, 30)),
        ([*WEBCAM, Mode("H264", 1920, 1080, 30)], Mode("MJPG", 1280, 720, 30)),
        ([*WEBCAM, Mode("H264", 1280, 720, 15)], Mode("MJPG", 1280, 720, 30)),
        ([*WEBCAM, Mode("YUYV", 1280, 720, 30)], Mode("YUYV", 1280, 720, 30)),
        ([Mode("MJPG", 640, 480, 30), Mode("MJPG", 1920, 1080, 30)], Mode("MJPG", 1920, 1080, 30)),
        ([Mode("YUYV", 320, 240, 15), Mode("YUYV", 640, 480, 15)], Mode("YUYV", 640, 480, 15)),
        ([Mode("Z16", 640, 480, 30), Mode("MJPG", 640, 480, None)], Mode("MJPG", 640, 480, None)),
        ([Mode("H264", 1920, 1080, 30)], Mode("H264", 1920, 1080, 30)),
    ],
)
def test_the_mode_nearest_to_what_is_wanted_comes_first(modes: list[Mode], best: Mode) -> None:
    assert choose_mode(modes, VIDEO)[0] == best


def test_a_camera_whose_formats_nobody_knows_has_no_mode() -> None:
    assert choose_mode([Mode("Z16", 640, 480, 30), Mode("MJPG", 0, 0, 30)], VIDEO) == []


class Machine:
    """A /dev and a /sys with cameras in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("dev/v4l/by-id", "dev/v4l/by-path", "sys/class/video4linux", "run/udev/data"):
            (root / folder).mkdir(parents=True)

    def plug(self, number: int, port: str, *, serial: str | None, by_id: str = "", index: int = 0) -> None:
        node = self.root / f"dev/video{number}"
        node.touch()
        device = self.root / f"sys/devices/usb{port}"
        interface = device / f"{port}:1.0"
        interface.mkdir(parents=True, exist_ok=True)
        (device / "idVendor").write_text("046d\n")
        (device / "idProduct").write_text("0825\n")
        if serial is not None:
            (device / "serial").write_text(f"{serial}\n")
        known = self.root / "sys/class/video4linux" / node.name
        known.mkdir()
        (known / "name").write_text("Webcam\n")
        (known / "dev").write_text(f"81:{number}\n")
        capabilities = "capture:" if index == 0 else "video_output:"
        told = self.root / f"run/udev/data/c81:{number}"
        told.write_text(f"E:ID_V4L_VERSION=2\nE:ID_V4L_CAPABILITIES=:{capabilities}\n")
        (known / "index").write_text(f"{index}\n")
        (known / "device").symlink_to(interface)
        (self.root / f"dev/v4l/by-path/pci-usb-0:{port}-video-index{index}").symlink_to(node)
        if by_id:
            link = self.root / f"dev/v4l/by-id/{by_id}-video-index{index}"
            link.unlink(missing_ok=True)
            link.symlink_to(node)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_camera_with_a_serial_number_is_named_by_it_and_only_its_picture_node_counts(
    machine: Machine,
) -> None:
    machine.plug(0, "1", serial="8F3A", by_id="usb-046d_C270_8F3A")
    machine.plug(1, "1", serial="8F3A", by_id="usb-046d_C270_8F3A", index=1)
    found = find(machine.root)
    assert [camera.source for camera in found] == ["v4l2:usb-046d_C270_8F3A-video-index0"]
    assert resolve(found[0].source, machine.root) == found[0].node
    assert found[0].name == "Webcam"


def test_cameras_that_nothing_but_their_place_tells_apart_are_named_by_it(machine: Machine) -> None:
    machine.plug(0, "1", serial=None, by_id="usb-046d_C270")
    machine.plug(2, "2", serial="SN0001", by_id="usb-noname_SN0001")
    machine.plug(4, "3", serial="SN0001", by_id="usb-noname_SN0001")
    found = find(machine.root)
    assert [camera.source for camera in found] == [
        f"v4l2:path-pci-usb-0:{port}-video-index0" for port in (1, 2, 3)
    ]
    assert [resolve(camera.source, machine.root) for camera in found] == [c.node for c in found]


@pytest.mark.parametrize(
    "name", ["usb-gone-video-index0", "path-nowhere", "../../../etc/passwd", "/dev/none"]
)
def test_a_name_without_a_camera_is_missing(name: str, machine: Machine) -> None:
    with pytest.raises(CameraLost) as lost:
        resolve(f"v4l2:{name}", machine.root)
    assert lost.value.why == "missing"


def profiles(*offers: tuple[str, int, int]) -> list[Profile]:
    return [Profile(str(at), *offer) for at, offer in enumerate(offers)]


def test_of_an_onvif_cameras_streams_the_right_ones_are_taken() -> None:
    offered = profiles(("H264", 1280, 720), ("H264", 3840, 2160), ("JPEG", 320, 180), ("H264", 640, 360))
    assert choose_profile(offered, small=False) == offered[0]
    assert choose_profile(offered, small=True) == offered[3]
    only = profiles(("H264", 2560, 1440))
    assert choose_profile(only, small=False) == choose_profile(only, small=True) == only[0]
    assert choose_profile(profiles(("JPEG", 640, 360)), small=False) is None


def test_an_onvif_address_is_taken_apart_and_tells_no_password() -> None:
    address = Address.parse("onvif://qu%E1%BA%A3n:m%40t%2Fkh%3Au@10.0.0.7")
    assert (address.host, address.port, address.user, address.password) == (
        "10.0.0.7",
        80,
        "quản",
        "m@t/kh:u",
    )
    assert "kh:u" not in f"{address} {address!r}"
    assert Address.parse("https://a:b@10.0.0.7") == Address("10.0.0.7", 443, "a", "b", True)
    uri = address.let_into("rtsp://10.0.0.7:554/stream?channel=1")
    assert uri == "rtsp://qu%E1%BA%A3n:m%40t%2Fkh%3Au@10.0.0.7:554/stream?channel=1"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:secret@10.0.0.7/stream",
        "rtsp://admin:se@cret@10.0.0.7/stream",
        "rtsp://admin:se/secret@10.0.0.7/stream",
        "rtsp://10.0.0.7/stream?user=admin&password=secret",
        "rtsp://10.0.0.7/user=admin_password=secret_channel=1.sdp",
    ],
)
def test_no_password_is_shown(url: str) -> None:
    shown = without_password(url)
    assert shown.startswith("rtsp://10.0.0.7/") and "secret" not in shown and "cret" not in shown


def test_pace_is_measured_over_the_last_seconds() -> None:
    pace = Pace()
    assert pace.fps is None and pace.key_frame_s is None
    for count in range(100):
        pace.take(count / 25, key=count % 25 == 0)
    assert (pace.fps, pace.key_frame_s) == (25.0, 1.0)
    for count in range(60):
        pace.take(4 + count / 5, key=count % 20 == 0)
    assert (pace.fps, pace.key_frame_s) == (5.0, 4.0)


def reorders(times_ms: list[int]) -> bool:
    watch = Reordering()
    seen = False
    for at in times_ms:
        packet = av.Packet(b"x")
        packet.pts, packet.time_base = at, Fraction(1, 1000)
        seen = watch.take(packet) or seen
    return seen


def test_only_b_frames_are_taken_for_b_frames() -> None:
    assert reorders([0, 120, 40, 80, 240, 160, 200])
    assert not reorders(list(range(0, 4000, 40)))
    assert not reorders([0, 40, 80, 20, *range(120, 4000, 40)]), "one step back is an accident"
    assert not reorders([50_000, 50_040, 80, 120, 160, 0]), "a clock that is set is none"
    assert not reorders([n * 40 - (60 if n % 200 == 0 else 0) for n in range(1000)])


def test_times_go_on_over_a_wrap_and_a_clock_that_is_set() -> None:
    step = 6000
    before = [2**32 - 3 * step + n * step for n in range(3)]
    after = [n * step for n in range(3)]
    set_right = [10**9 + n * step for n in range(3)]
    line = TimeLine()
    ticks = [
        line.at(pts, Fraction(1, 90_000), 1000 + n * step)
        for n, pts in enumerate([*before, *after, *set_right])
    ]
    assert all(0 < later - earlier < 3 * step for earlier, later in itertools.pairwise(ticks))
