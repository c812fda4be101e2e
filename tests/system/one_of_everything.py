"""An office with one of everything that has an id, as often as wanted: each set in an area of its own."""

from __future__ import annotations

from typing import Any

from diemcau_wire.enrolment import status_bytes
from diemcau_wire.messages import Presence, State
from PIL import Image

from tests.system.asking_unit import AskingUnit
from tests.system.office import Office
from tests.system.rollout_underway import rollout_underway

Values = dict[str, list[Any]]


def furnish(office: Office, number: int) -> Values:
    """One of everything; gives by the name of a parameter or field what makes sense there."""
    area, centre, site, spare = (f"{word}-{number}" for word in ("cum", "huyen", "xa", "trong"))
    unit, unbound = f"u{2 * number:012x}", f"u{2 * number + 1:012x}"
    office.add("areas", id=area, name=f"Cụm {number}", tier="cụm")
    office.add("areas", id=f"{area}-trong", name=f"Cụm trống {number}", tier="cụm")
    for one in (centre, site, spare):
        office.add("sites", id=one, name=f"Điểm cầu {one}", area=area)
    office.add("groups", id=f"nhom-{number}", name=f"Nhóm {number}", sites=[site])
    office.add("units", id=unit, site=site)
    office.add("users", name=f"lan-{number}", role="operator")
    technician = office.add("users", name=f"tuan-{number}", role="technician", sites=[site])["name"]
    both: dict[str, Any] = {"main_site": centre, "sites": [centre, site], "duration_s": 3600}
    soon = office.add("meetings", title="Giao ban", starts_at="2026-03-02T08:30", **both)
    daily = office.add(
        "meetings", title="Tuần", starts_at="2026-03-04T14:00", rrule="FREQ=DAILY;COUNT=3", **both
    )
    marked = office.add(
        "meetings",
        title="Kín",
        starts_at="2026-03-03T08:00",
        mode="in_person",
        security_subject=True,
        **both,
    )
    running, (first, second, _) = soon["id"], (one["id"] for one in daily["occurrences"])
    office.add(f"meetings/{second}/skip", reason="nghỉ")
    pdf = ("a.pdf", b"%PDF-1.4\n%%EOF\n", "application/pdf")
    answer = office.http.post(f"/api/v1/meetings/{running}/attachments", files={"file": pdf})
    (attachment,) = answer.json()
    urgent = office.add("urgent", title=f"Họp khẩn {number}", main_site=centre, sites=[centre, site])
    person = office.add(f"meetings/{running}/attendees", site=site, name="Y Bhin", status="present")
    incident = office.add("incidents", site=site, kind="no_picture", title="Không có hình")
    closed = office.add("incidents", site=site, kind="no_sound", title="Không có tiếng")
    office.add(f"incidents/{closed['id']}/close", resolution="đã thay dây")
    office.http.post(f"/api/v1/incidents/{incident['id']}/files", files={"file": pdf})
    box = AskingUnit(office.nobody)
    box.ask()
    request = box.answer.request if box.answer is not None else ""
    voucher = office.add("vouchers", site=spare)
    order = office.add("work-orders", site=site, what="replace", technician=technician)
    rollout = rollout_underway(office)
    gone = f"cu-{number}"
    office.add("sites", id=gone, name="Điểm cũ")
    office.http.delete(f"/api/v1/sites/{gone}")
    office.hear(
        State(
            unit=unit,
            status=Presence.ONLINE,
            boot_id="b",
            nonce="n",
            version="1",
            epoch=1,
            at=office.time,
        )
    )
    office.state.pictures.mkdir(exist_ok=True)
    Image.new("RGB", (64, 36)).save(office.state.pictures / f"{unit}.png")
    return {
        "area": [area, f"{area}-trong"],
        "parent": [area, None],
        "site": [site, spare, gone],
        "main_site": [centre],
        "group": [f"nhom-{number}"],
        "unit": [unit],
        "meeting": [running, first, second, daily["id"], marked["id"], urgent["id"]],
        "attachment": [attachment["id"]],
        "attendee": [person["id"]],
        "incident": [incident["id"], closed["id"]],
        "number": [1, 2],
        "user": [f"lan-{number}"],
        "enrolment": [request],
        "request_id": [request],
        "voucher": [voucher["id"]],
        "order": [order["id"]],
        "rollout": [rollout],
        # and what only bodies and queries say
        "name": [f"lan-{number}"],
        "id": [unbound],
        "users": [],
        "sites": [[centre, site]],
        "groups": [[f"nhom-{number}"]],
        "areas": [[area]],
        "without": [[]],
        "starts_at": ["2026-03-09T08:00", "2026-03-10T14:00"],
        "duration_s": [1800],
        "ends_at": [None],
        "rrule": [None],
        "since": [None],
        "until": [None],
        "month": ["2026-03"],
        "title": ["Giao ban"],
        "reason": ["chọn nhầm khi tạo"],
        "mode": ["here"],
        "classification": ["none"],
        "version": [None],
        "args": [{}],
        "timeout_s": [0.2],
        "technician": [technician],
        "csr": [box.csr()],
        "ssh_host_key": [None],
        "ssh_proof": [None],
        "signature": [box.sign(status_bytes(request, box.answer.nonce)) if box.answer is not None else ""],
    }


def sensible(known: Values) -> dict[str, tuple[Values, dict[str, Any]]]:
    """By operation what makes sense only together: values of its address, and its body."""
    _, first, second, daily, marked, urgent = ([one] for one in known["meeting"])
    site, incident = known["site"][:1], known["incident"][:1]
    meeting = "/api/v1/meetings/{meeting}"
    return {
        f"PATCH {meeting}": ({"meeting": daily}, {"title": "Giao ban ngày"}),
        f"POST {meeting}/move": ({"meeting": first}, {"starts_at": "2026-03-04T16:00"}),
        f"POST {meeting}/restore": ({"meeting": second}, {}),
        f"POST {meeting}/gate": ({"meeting": marked}, {"reason": "chọn nhầm khi tạo"}),
        f"POST {meeting}/floor": ({"meeting": urgent}, {"verb": "mute-all"}),
        f"POST {meeting}/hands": ({"meeting": urgent}, {"site": site[0], "text": "Xin hỏi về đường truyền"}),
        f"DELETE {meeting}/hands/{{site}}": ({"meeting": urgent, "site": site}, {}),
        f"POST {meeting}/attendees": (
            {"meeting": urgent},
            {"site": site[0], "name": "H'Lan Ayun", "status": "present"},
        ),
        "POST /api/v1/urgent/{meeting}/answers": ({"meeting": urgent}, {"site": site[0], "verb": "decline"}),
        "PUT /api/v1/incidents/{incident}/assignee": ({"incident": incident}, {"user": known["user"][0]}),
        "POST /api/v1/work-orders": (
            {},
            {"site": site[0], "what": "replace", "technician": known["technician"][0]},
        ),
        "POST /enrol/v1/requests/{request_id}/status": (
            {"request_id": known["request_id"]},
            {"signature": known["signature"][0]},
        ),
        "GET /api/v1/incidents/{incident}/files/{number}": ({"incident": incident, "number": [2]}, {}),
    }
