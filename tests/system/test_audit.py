"""Every change is in the list: each route of the API that changes something is used once, in a story."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from diemcau_controller.config import StateDir
from diemcau_controller.rules.rollout import At
from diemcau_controller.store.tables import AuditRow, LaterBinding, RolloutUnit
from diemcau_controller.web.audit_words import change_line, did, names_of
from diemcau_controller.web.words import LANGUAGES, Words
from diemcau_wire.messages import Presence, State
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.release_for_tests import signed_release
from tests.system.asking_unit import AskingUnit
from tests.system.office import UNIT, Office, furnished, meeting
from tests.system.rollout_underway import VERSION, rollout_underway

# What changes nothing of the office's: a unit's own pictures; questions, one only too long for an address;
# and what a unit asks before anybody has decided on it.
UNRECORDED = {
    "POST /enrol/v1/requests",
    "POST /enrol/v1/requests/{request_id}/reveal",
    "POST /enrol/v1/requests/{request_id}/status",
    "POST /enrol/v1/challenge",
    "POST /enrol/v1/identity",
    "POST /api/v1/enrolments/look",
    "PUT /api/v1/units/{unit}/picture",
    "PUT /api/v1/units/{unit}/room-picture",
    "POST /api/v1/meetings/invited",
}
# Wants a unit that dials in: `test_reach` looks at its row.
ELSEWHERE = {"POST /api/v1/units/{unit}/reach"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("audit") / "state") as made:
        yield made


class Story:
    """Uses routes, and sees that each one leaves a row."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.used: set[str] = set()

    def __call__(
        self, route: str, *ids: str, files: Any = None, content: bytes | None = None, **body: Any
    ) -> Any:
        """`route` is `POST /sites/{}`: the ids fill it, from the left."""
        before = self.rows()
        answer = self.ask(route, ids, files, content, body)
        assert answer.is_success, f"{route}: {answer.text}"
        assert self.rows() > before, f"{route} leaves no row"
        return answer.json() if answer.content else None

    def ask(self, route: str, ids: tuple[str, ...], files: Any, content: Any, body: Any) -> httpx.Response:
        method, _, path = route.partition(" ")
        self.used.add(route)
        url = f"/api/v1{path.format(*ids)}"
        if files is not None or content is not None:
            return self.office.http.request(method, url, files=files, content=content)
        return self.office.http.request(method, url, json=body)

    def rows(self) -> int:
        with self.office.database.read() as session:
            return session.scalar(select(func.count()).select_from(AuditRow)) or 0


def bare(route: str) -> str:
    """`POST /api/v1/sites/{site}` → `POST /sites/{}`."""
    parts = route.replace("/api/v1", "").split("/")
    return "/".join("{}" if part.startswith("{") else part for part in parts)


def test_every_route_that_changes_something_leaves_a_row(office: Office) -> None:
    use = Story(office)
    areas_and_sites(use)
    users(use)
    units(use)
    fleet(use)
    one = meetings_to_come(use)
    meeting_that_runs(use, one)
    incidents(use)
    the_list_has_words_for_it(office)

    document = office.http.get("/api/v1/openapi.json").json()
    changing = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
        if method != "get"
    }
    left_out = {route for route in changing - UNRECORDED - ELSEWHERE if bare(route) not in use.used}
    assert not left_out, "not in this story"


def the_list_has_words_for_it(office: Office) -> None:
    """No word of the API is left on the page: neither what was done, nor its fields and their values."""
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow)).all()
        names = names_of(office.controller, session, rows)
    for language in LANGUAGES:
        words = Words(language, office.controller.settings.zone, office.time)
        assert {row.action for row in rows if did(words, row.action) == row.action} == set()
        lines = [change_line(words, row, names) for row in rows]
        said = [field for line in lines for field in line["fields"]]
        assert {field.name for field in said if "_" in field.name} == set()
        texts = {text for field in said for text in (field.before, field.after) if text}
        raw = {"here", "giao-ban", "ea-kiet", "lan", "no_picture", "none"}
        assert texts & (raw | {"present", "operator"} if language == "vi" else raw) == set()
        assert not [text for text in texts if "2026-03" in text]


def areas_and_sites(use: Story) -> None:
    use("POST /areas", id="ea-tul", name="Xã Ea Tul", tier="xã")
    use("PATCH /areas/{}", "ea-tul", name="Xã Ea Tul mới")
    use("DELETE /areas/{}", "ea-tul")
    use("POST /sites", id="x", name="X")
    use("PATCH /sites/{}", "x", name="Y")
    use("DELETE /sites/{}", "x")
    use("POST /sites/{}/restore", "x")
    use("POST /sites/import", content="Mã,Tên\nea-drong,Xã Ea Drơng\n".encode())
    use("POST /groups", id="cum", name="Cụm", sites=["ea-kiet"])
    use("PATCH /groups/{}", "cum", name="Cụm 1")
    use("DELETE /groups/{}", "cum")
    use("POST /units", id="u0123456789ef", site="x")
    use.office.hear(
        State(
            unit=UNIT,
            status=Presence.ONLINE,
            boot_id="b",
            nonce="n",
            version="1",
            epoch=1,
            at=use.office.time,
        )
    )
    use.office.post.answering = use.office.controller
    use("POST /units/{}/commands", UNIT, verb="ping")
    for unit in ("u00000000000a", "u00000000000b"):
        row = LaterBinding(unit_id=unit, site_id="x", epoch=9, serial=unit, seen_at=use.office.time)
        use.office.writer.submit(lambda session, row=row: session.add(row), urgent=True).result(10)
    use("POST /later-bindings/{}", "u00000000000a", verdict="deny")
    use("POST /later-bindings/{}", "u00000000000b", verdict="confirm")


def users(use: Story) -> None:
    use("POST /users", name="lan", role="operator")
    use("PATCH /users/{}", "lan", display_name="Nguyễn Thị Lan")
    token = use("POST /users/{}/token", "lan")["token"]
    path = use("POST /users/{}/link", "lan")["url"].removeprefix("https://192.0.2.1:8443")
    password = {"password": "con mèo đen trên mái", "again": "con mèo đen trên mái"}
    assert use.office.nobody.post(path, data=password).status_code == 200
    with asking_as(use.office, token):
        use("POST /me/password", old=password["password"], new="con mèo trắng dưới sân")
        use.office.nobody.get(f"/?token={token}")
        use("DELETE /me/sessions")
    use.office.nobody.get(f"/?token={token}")
    use("DELETE /users/{}/sessions", "lan")
    use("DELETE /users/{}/keys", "lan")


def units(use: Story) -> None:
    """Admitted by digits, refused, tried too often; papers, orders; a copied identity; one locked out."""
    use("POST /users", name="ky-thuat", role="technician")
    order = use("POST /work-orders", site="huyen", what="install", technician="ky-thuat", note="cạnh bục")
    unit, other = AskingUnit(use.office.nobody), AskingUnit(use.office.nobody)
    use("POST /enrolments/approve", code=unit.ask(), site="huyen", what="install")
    use("POST /work-orders/{}/close", order["id"])
    other.ask()
    (waiting,) = use.office.get("enrolments")["waiting"]
    use("POST /enrolments/{}/refuse", waiting["id"], reason="không rõ của ai")
    paper = use("POST /vouchers", site="huyen", what="replace")
    use("DELETE /vouchers/{}", paper["id"])
    for number in range(5):
        use.office.refused(404, "enrolments/look", code=f"{number:09}")
    for alarm in use.office.get("enrolments")["alarms"]:
        use("POST /enrolments/alarms/{}/lift", str(alarm["number"]))
    for number, (boot, count) in enumerate((("a", 3), ("b", 4), ("a", 5))):
        use.office.later(seconds=5)
        use.office.hear(
            State(
                unit=unit.unit,
                status=Presence.ONLINE,
                boot_id=boot,
                nonce=f"n{number}",
                version="1",
                join_count=count,
                at=use.office.time,
            )
        )
    (clone,) = use.office.get("clones")
    use("POST /clones/{}/decide", str(clone["number"]), verdict="mistaken")
    use("POST /units/{}/revoke", unit.unit, reason="bị mất cắp")
    signed_release(StateDir(use.office.controller.state.root), "1.0.0")
    use("POST /releases/{}/offer", "1.0.0")
    use("POST /releases/{}/withdraw", "1.0.0", reason="mất tiếng")


def fleet(use: Story) -> None:
    """Rings, freeze dates, a rollout that is steered, a unit that is tried again."""
    use("PUT /sites/{}/ring", "ea-kiet", ring="canary")
    freeze = use("POST /freezes", first="2026-05-01", last="2026-05-03", reason="Đại hội")
    use("DELETE /freezes/{}", str(freeze["number"]))
    rollout_underway(use.office)  # offers a release
    rollout = use("POST /rollouts", version=VERSION, instead=True)["id"]

    def broken(session: Session) -> None:
        for one in session.scalars(select(RolloutUnit).where(RolloutUnit.rollout_id == rollout)):
            one.state, one.why = At.FAILED.value, "task"

    use.office.writer.submit(broken, urgent=True).result(20)
    use("POST /rollouts/{}/units/{}/retry", rollout, UNIT)
    use("POST /rollouts/{}/steer", rollout, verb="abort")


def meetings_to_come(use: Story) -> str:
    """Announces, changes and calls off; gives a meeting that starts in half an hour."""
    when = {"starts_at": "2026-03-04T14:00", "duration_s": 3600}
    whole = {"title": "Giao ban tuần", "main_site": "huyen", **when}
    weekly = use("POST /meetings", **whole, rrule="FREQ=DAILY;COUNT=4")
    first, second = (one["id"] for one in weekly["occurrences"][:2])
    use("POST /meetings/{}/skip", first, reason="nghỉ lễ")
    use("POST /meetings/{}/restore", first)
    use("POST /meetings/{}/move", second, starts_at="2026-03-05T16:00")
    use("PATCH /meetings/{}", weekly["id"], title="Giao ban ngày")
    (file,) = use(
        "POST /meetings/{}/attachments", weekly["id"], files={"file": ("a.pdf", b"%PDF-1.4\n%%EOF\n")}
    )
    use("DELETE /meetings/{}/attachments/{}", weekly["id"], file["id"])
    use("DELETE /meetings/{}", weekly["id"])
    marked = {**whole, "mode": "in_person", "security_subject": True}
    use("POST /meetings/{}/gate", use("POST /meetings", **marked)["id"], reason="chọn nhầm khi tạo")
    return meeting(use.office)


def meeting_that_runs(use: Story, one: str) -> None:
    use.office.later(minutes=31)
    use("POST /meetings/{}/chair-link", one)
    use("POST /meetings/{}/hands", one, site="ea-kiet", text="Xin hỏi về đường truyền")
    use("DELETE /meetings/{}/hands/{}", one, "ea-kiet")
    use("POST /meetings/{}/floor", one, verb="grant", site="ea-kiet")
    use("POST /meetings/{}/halls/{}/hears", one, "ea-kiet")
    someone = use("POST /meetings/{}/attendees", one, site="ea-kiet", name="Y Bhin Niê", status="present")
    use("PATCH /attendees/{}", someone["id"], position="Chủ tịch")
    use("DELETE /attendees/{}", someone["id"])
    use("PUT /meetings/{}/notes/{}", one, "ea-kiet", text="mất điện 5 phút")
    use("POST /meetings/{}/extend", one, minutes=10)
    use("POST /meetings/{}/close", one)
    urgent = use("POST /urgent", title="Họp khẩn: lũ", main_site="huyen")
    use("POST /urgent/{}/answers", urgent["id"], site="ea-kiet", verb="decline")


def incidents(use: Story) -> None:
    one = use("POST /incidents", site="ea-kiet", kind="no_picture", title="Không có hình")["id"]
    use("POST /incidents/{}/notes", one, text="đã gọi điện")
    use("POST /incidents/{}/files", one, files={"file": ("a.txt", "đã xem".encode(), "text/plain")})
    use("PUT /incidents/{}/assignee", one, user="lan")
    use("POST /incidents/{}/close", one, resolution="đã thay dây")
    use("POST /incidents/{}/reopen", one, text="lại mất")


@contextmanager
def asking_as(office: Office, token: str) -> Iterator[None]:
    own = office.http.headers["Authorization"]
    office.http.headers["Authorization"] = f"Bearer {token}"
    yield
    office.http.headers["Authorization"] = own


def test_what_the_list_says(office: Office) -> None:
    office.add("sites", id="z", name="Z")
    office.http.patch("/api/v1/sites/z", json={"name": "Xã Z", "camera": "none"})
    changed, added = office.get("audit?subject=site:z")["changes"]
    assert changed["before"] == {"name": "Z"} and changed["after"] == {"name": "Xã Z"}, "only what differs"
    assert changed["who"] == "local" and changed["action"] == "site.change"
    assert added["before"] is None and added["after"]["name"] == "Z"
    office.http.patch("/api/v1/sites/z", json={"name": "Xã Z"})
    assert office.get("audit?subject=site:z")["total"] == 2, "what changes nothing is no change"
    office.refused(404, "sites/nowhere", method="PATCH", name="Z")
    assert office.get("audit?subject=site:nowhere")["total"] == 0, "nor is what was refused"
    assert office.get("audit?action=site.&user=local&since=2026-03-02&until=2026-03-02")["total"] >= 2
    assert office.get("audit?since=2026-03-03")["total"] == 0
    assert office.get("audit?page=1000000")["page"] == office.get("audit")["pages"]
    office.refused(422, "audit?since=hôm qua", method="GET")
    rows = office.get("audit")["changes"]
    told = {key for one in rows for side in ("before", "after") for key in one[side] or {}}
    assert told and not told & {"secret", "pin", "token", "password", "url"}


def test_the_list_as_a_page(office: Office) -> None:
    office.add("sites", id="w", name="Xã <b>W</b>")
    office.nobody.get(f"/?token={office.token}")
    page = office.nobody.get("/audit?subject=site:w").text
    assert "Thêm điểm cầu" in page and "Xã &lt;b&gt;W&lt;/b&gt;" in page
    assert "Xin nhập ngày" in office.nobody.get("/audit?since=hôm+qua").text
    assert office.nobody.get("/audit?page=99999999999&user=%00&action=x").status_code == 200
