"""Names for the TURN server: as coturn computes them, and only as long as the room."""

from __future__ import annotations

from datetime import UTC, datetime

from diemcau_controller.config import Settings
from diemcau_controller.rules.turn import ice_servers

URLS = ["turn:[2001:db8::7]:3478?transport=udp", "turn:[2001:db8::7]:3478?transport=tcp"]


def test_the_settings_say_where_it_is() -> None:
    assert Settings(public_address="2001:db8::7").turn_urls == URLS


def test_a_name_ends_with_the_room_and_the_password_is_the_one_coturn_expects() -> None:
    """As `printf 1893456000:hop-1 | openssl dgst -sha1 -hmac bí-mật -binary | base64` prints it."""
    (server,) = ice_servers(URLS, "bí-mật".encode(), "hop-1", datetime(2030, 1, 1, tzinfo=UTC))
    assert server == {
        "urls": URLS,
        "username": "1893456000:hop-1",
        "credential": "cOdhJVjsLCSorHOQwIEf14vR01Q=",
    }
