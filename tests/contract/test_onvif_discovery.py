"""Cameras found in the network: by real datagrams from our own peer, and whatever else answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from diemcau_agent.drivers import onvif_discovery
from diemcau_agent.drivers.found import Found
from diemcau_agent.drivers.onvif_discovery import NoAnswer, find, read_answer
from diemcau_agent.unit.devices import Devices
from diemcau_controller.namespace import ADDRESS
from diemcau_wire.messages import Device
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.discovery_peer import ProbeAnswers, answer
from tests.lab.onvif_peer import OnvifPeer

ASKED = "uuid:0a"
HERE = "http://192.0.2.7/onvif/device_service"


def test_a_camera_is_called_by_its_own_address() -> None:
    camera = read_answer(answer(ASKED, HERE, "Camera hội trường"), ASKED, "192.0.2.7")
    assert (camera.device, camera.source, camera.name) == (
        Device.CAMERA,
        "onvif://192.0.2.7",
        "Camera hội trường",
    )
    assert camera.details == {"address": "192.0.2.7", "hardware": "DC-100", "location": "phong hop"}
    other = f"http://[fe80::1]/onvif {HERE.replace('192.0.2.7', '192.0.2.7:8080')}"
    assert read_answer(answer(ASKED, other, ""), ASKED, "192.0.2.7").source == "onvif://192.0.2.7:8080"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not XML",
        b"<a/>",
        answer("uuid:another question", HERE, "A"),
        answer(ASKED, "http://203.0.113.9/onvif", "somebody else's address"),
        answer(ASKED, "https://192.0.2.7/onvif", "not over TLS"),
        answer(ASKED, "", "no address"),
        answer(ASKED, "http://192.0.2.7:99999/", "no port"),
        answer(ASKED, HERE, "A").replace(b"<s:Envelope", b'<!DOCTYPE x [<!ENTITY a "b">]><s:Envelope', 1),
        answer(ASKED, HERE, "A" * 20_000),
        answer(ASKED, HERE, "A")[:-40],
    ],
)
def test_what_is_no_answer_of_a_camera(data: bytes) -> None:
    with pytest.raises(NoAnswer):
        read_answer(data, ASKED, "192.0.2.7")


@given(st.one_of(st.binary(), st.tuples(st.integers(0, 1200), st.binary(max_size=4))))
def test_whatever_comes(piece: Any) -> None:
    data = piece
    if isinstance(piece, tuple):
        at, bytes_ = piece
        whole = answer(ASKED, HERE, "Camera")
        data = whole[:at] + bytes_ + whole[at + len(bytes_) :]
    try:
        camera = read_answer(data, ASKED, "192.0.2.7")
    except NoAnswer:
        return
    assert camera.source.startswith("onvif://192.0.2.7") and camera.name.isprintable()


@pytest.mark.namespace
def test_cameras_answer_and_everything_else_is_passed_over() -> None:
    besides = [b"garbage", answer("uuid:x", HERE, "x"), bytes(60_000), answer(ASKED, HERE, "foreign")]
    peer = OnvifPeer(ADDRESS, 8561, "admin", "x", {})
    with peer, ProbeAnswers(ADDRESS, peer.service, "Camera bục", besides=besides) as answers:
        found = find()
    details = {"address": ADDRESS, "hardware": "DC-100", "location": "phong hop"}
    assert found == [Found(Device.CAMERA, f"onvif://{ADDRESS}:8561", "Camera bục", details=details)]
    assert answers.asked == 2, "a datagram may be lost"
    assert find(0.2) == []


@pytest.mark.namespace
def test_nobody_is_asked_unless_somebody_asks_us() -> None:
    technologies = {"onvif": lambda: onvif_discovery.find(0.6)}
    recorded: list[object] = []
    devices = Devices(
        config=lambda: None,
        record=lambda *said: recorded.append(said),
        changed=lambda: None,
        plugged=lambda _: None,
        technologies=technologies,
    )
    camera = f"http://{ADDRESS}/onvif/device_service"
    with ProbeAnswers(ADDRESS, camera, "Camera") as answers:
        assert asyncio.run(devices.look()) == [] and answers.asked == 0
        found = asyncio.run(devices.look(asked=True))
        assert [one.source for one in found] == [f"onvif://{ADDRESS}"] and answers.asked == 2
        assert asyncio.run(devices.look()) == found, "it is remembered"
        assert answers.asked == 2
    assert asyncio.run(devices.look(asked=True)) == []
