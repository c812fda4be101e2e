"""The whole process of a box: who it finds, a paper before its camera, one screen throughout.

The coordinator is a small honest one (`enrolment_peer.py`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest
import segno
import zxingcpp
from diemcau_agent.identity import discovery
from diemcau_agent.unit.state_folder import read_identity
from diemcau_controller.config import Settings
from diemcau_controller.namespace import ADDRESS
from diemcau_controller.services.announce import announcement
from PIL import Image
from zeroconf import IPVersion, Zeroconf

from tests.system.blank_box import switched_on
from tests.system.enrolment_peer import Peer
from tests.system.one_hall import run, until

pytestmark = pytest.mark.namespace


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(tmp_path / "office", host=ADDRESS, server_names=(ADDRESS,))
    yield made
    made.close()


@contextmanager
def announced(peer: Peer) -> Iterator[None]:
    """It tells the local network where it is, as the controller does."""
    settings = Settings(public_address=ADDRESS)
    settings = settings.model_copy(update={"web": settings.web.model_copy(update={"port": peer.port})})
    zeroconf = Zeroconf(interfaces=[ADDRESS], ip_version=IPVersion.V4Only)
    try:
        zeroconf.register_service(announcement(settings))
        yield
    finally:
        zeroconf.close()


def test_who_announces_himself_is_found(peer: Peer) -> None:
    assert discovery.look(1) == []
    with announced(peer):
        assert discovery.look(4) == [peer.address]


def film(path: Path, text: str) -> None:
    """A camera before which somebody holds this code."""
    code = io.BytesIO()
    segno.make(text, error="m", micro=False).save(code, kind="png", scale=4, border=4)
    picture = Image.new("RGB", (640, 480), "gray")
    picture.paste(Image.open(code).convert("RGB"), (60, 20))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.time_base = Fraction(1, 10)
        stream.bit_rate = 4_000_000
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))


def test_a_paper_before_the_camera_makes_a_unit_of_it(peer: Peer, tmp_path: Path) -> None:
    paper = f'address = "{peer.address}"\nroots = {json.dumps(peer.fingerprints())}\nvoucher = "v-1.seal"\n'
    peer.vouchers["v-1.seal"] = "xa-ea-kpam"
    film(tmp_path / "paper.avi", paper)
    camera = f"file:{tmp_path / 'paper.avi'}"
    with switched_on(tmp_path, DIEMCAU_BOOT_FILES="", DIEMCAU_CODE_CAMERA=camera) as box:
        assert until(lambda: box.enrolment().get("why") == "not_found", 30)
        until(lambda: box.status().get("unit"), 60, "no unit")
    assert read_identity(box.state).unit in peer.bound


def test_the_screen_is_the_same_from_a_blank_box_to_one_that_was_replaced(peer: Peer, tmp_path: Path) -> None:
    with announced(peer), switched_on(tmp_path, DIEMCAU_BOOT_FILES="") as box:
        until(lambda: box.enrolment().get("code"), 40, "no code")
        screen = box.screen()
        assert screen is not None
        (read,) = zxingcpp.read_barcodes(box.picture(tmp_path / "code.png"))
        address, _, code = read.text.partition("#")
        assert address == f"{peer.address}/e" and code == box.enrolment()["code"]

        box.process.kill()  # the power is cut
        box.process.wait()
        box.switch_on()
        until(lambda: box.enrolment().get("code"), 40, "no code after the power cut")
        assert box.enrolment()["code"] == code, "the technician may go on with what he has read"
        screen = box.screen()

        unit = peer.approve(code)
        until(lambda: box.status().get("unit") == unit, 40, "no unit")
        assert box.screen() == screen, "it never went black"
        assert box.state.arriving.exists(), "its room was not checked yet: there is no configuration"

        peer.ended[unit] = "replaced"
        peer.bound.clear()
        until(lambda: box.status().get("farewell"), 90, "it was not told")
        assert box.screen() == screen
        assert not box.state.unit_key.exists() and not box.state.unit_certificate.exists()
        assert run("diemcau-agent", "reset", "--state-dir", str(box.state.root)).returncode == 0
        until(lambda: box.enrolment().get("code"), 40, "it does not ask anew")
        assert box.enrolment()["code"] != code
