"""What every page stands on: its files, as browsers may keep them, and the stream of hints."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from diemcau_controller.web import assets

from tests.system.office import Office, furnished, meeting


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("frame")) as made:
        yield made


def test_the_files_of_a_page_are_kept_by_browsers_and_compressed(office: Office) -> None:
    page = office.nobody.get("/login")
    addresses = re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text)
    assert sum("/static/built/" in address for address in addresses) >= 2
    for address in addresses:
        got = office.nobody.get(address)
        assert got.status_code == 200, address
        assert ("immutable" in got.headers["cache-control"]) is ("/built/" in address)
        assert got.headers["x-content-type-options"] == "nosniff"
        assert len(got.content) < 1000 or got.headers["content-encoding"] == "gzip", address
    gone = office.nobody.get("/static/built/gone.js")
    assert gone.status_code == 404 and "immutable" not in gone.headers.get("cache-control", "")


def test_script_and_style_stay_small() -> None:
    sent = sum(len(gzip.compress(assets.asset_text(name).encode())) for name in ("app.js", "app.css"))
    assert sent < 60_000


def test_no_font_or_icon_is_missing() -> None:
    style = assets.asset_text("app.css")
    named = re.findall(r"url\(\"?/static/built/([^\")]+)", style)
    assert len(named) >= 6 and all((assets.BUILT / name).is_file() for name in named)
    icons = set(re.findall(r'<symbol id="([^"]+)"', assets.asset_text("icons.svg")))
    templates = "\n".join(file.read_text() for file in (assets.STATIC.parent / "templates").rglob("*.html"))
    asked = set(re.findall(r'(?:\bicon\(|icon_name=)"([^"]+)"', templates))
    assert asked and asked <= icons, asked - icons


def test_live_is_for_whom_we_know_and_about_what_there_is(office: Office) -> None:
    made = str(office.get(f"meetings/{meeting(office)}")["id"])
    for topic in ("board", f"meeting:{made}", f"hall:{made}:ea-kiet"):
        assert office.nobody.get("/live", params={"topic": topic}).status_code == 401
        assert office.nobody.get("/live", params={"topic": topic, "link": "x" * 22}).status_code == 401
    for wrong in ({"topic": "everything"}, {}, [("topic", "board")] * 21):
        assert office.http.get("/live", params=wrong).status_code == 422
