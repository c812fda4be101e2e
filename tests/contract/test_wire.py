"""The wire protocol, pinned by golden files: what is taken, what is refused and for which reason.

Files lie in wire/valid/<channel>/<case>.json and wire/invalid/<channel>/<reason>.<case>.json.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from diemcau_wire import Channel, Reason, Refused, TopicError, address, decode, encode, topic
from diemcau_wire.messages import MODELS
from diemcau_wire.schema import schema
from diemcau_wire.topics import FROM_UNIT, TO_UNIT, filters_of_controller, filters_of_unit, parse_topic
from hypothesis import given
from hypothesis import strategies as st

HERE = Path(__file__).parent
UNIT = "u3f9a01c77b2e"
VALID = sorted((HERE / "wire/valid").glob("*/*.json"))
INVALID = sorted((HERE / "wire/invalid").glob("*/*.json"))


def channel_of(file: Path) -> Channel:
    return Channel(file.parent.name.replace("-", "/"))


def take(channel: Channel, payload: bytes):  # type: ignore[no-untyped-def]
    return decode(topic(UNIT, channel), payload, from_unit=channel in FROM_UNIT)[1]


@pytest.mark.parametrize("file", VALID, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_valid_is_taken_and_comes_back_the_same(file: Path) -> None:
    channel = channel_of(file)
    message = take(channel, file.read_bytes())
    assert take(channel, encode(message)) == message
    assert address(message, channel) == topic(UNIT, channel)


@pytest.mark.parametrize("file", INVALID, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_invalid_is_refused_for_the_reason_in_its_name(file: Path) -> None:
    with pytest.raises(Refused) as refused:
        take(channel_of(file), file.read_bytes())
    assert refused.value.reason == file.name.split(".")[0]


def test_every_channel_has_both_kinds_of_golden_file() -> None:
    assert {channel_of(file) for file in VALID} == set(Channel) == {channel_of(file) for file in INVALID}


def test_nobody_takes_the_other_direction() -> None:
    payload = (HERE / "wire/valid/cmd/ping.json").read_bytes()
    with pytest.raises(Refused) as refused:
        decode(topic(UNIT, Channel.CMD), payload, from_unit=True)
    assert refused.value.reason is Reason.DIRECTION


@pytest.mark.parametrize(
    "name",
    ["", "dc", "dc/v1/u1", "dc/v1//state", "dc/v2/u1/state", "dc/v1/U1/state", "dc/v1/u1/states",
     "dc/v1/u1/desired", "x/v1/u1/state", "dc/v1/+/state", "dc/v1/u1/state/", "dc/v1/u\x001/state"],
)  # fmt: skip
def test_foreign_topics_are_refused(name: str) -> None:
    with pytest.raises(TopicError):
        parse_topic(name)


def test_topics_stay_within_what_every_broker_can_do() -> None:
    names = filters_of_unit(UNIT) + filters_of_controller()
    assert all(name.count("/") <= 4 for name in names)
    assert not any("+" in name or "#" in name for name in filters_of_unit(UNIT))
    assert len(names) == len(FROM_UNIT) + len(TO_UNIT)


@given(st.binary(max_size=300))
def test_whatever_bytes_arrive_the_answer_is_a_refusal(payload: bytes) -> None:
    with pytest.raises(Refused):
        take(Channel.CMD, payload)


@pytest.mark.parametrize("file", VALID, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_damaged_messages_are_taken_or_refused_and_nothing_else(file: Path) -> None:
    whole = file.read_bytes()
    chance = random.Random(file.name)
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            message = take(channel_of(file), bytes(damaged))
        except Refused:
            continue
        assert message.unit == UNIT
        encode(message)


def test_schema_describes_every_channel_and_accepts_the_golden_files() -> None:
    channels = schema()["channels"]
    assert len(channels) == len(MODELS)
    for file in VALID:
        described = channels[f"dc/v1/<unit>/{channel_of(file).value}"]
        document = json.loads(file.read_text())
        assert set(described["required"]) <= set(document)


def test_a_full_month_of_meetings_fits() -> None:
    schedule = json.loads((HERE / "wire/valid/desired-schedule/one-meeting.json").read_text())
    meeting = schedule["meetings"][0]
    schedule["meetings"] = [{**meeting, "id": f"m-{n}"} for n in range(120)]
    message = take(Channel.DESIRED_SCHEDULE, json.dumps(schedule).encode())
    assert len(encode(message)) < 64 * 1024
