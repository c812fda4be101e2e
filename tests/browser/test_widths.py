"""Every page there is, at three widths, in both languages, with 3 sites and with 168.

The list of pages is the app's own: a new page without an address here fails. With 168 sites axe needs 15 s
for a page that lists them all, and mostly sees the same things again: `make soak` waits for it
(DIEMCAU_AXE_ALL), `make test` does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.page_checks import HEIGHTS, Watched, chromium, window
from tests.contract.test_routes import walk
from tests.system.checked_room import checked_room
from tests.system.report_history import History, history
from tests.system.rollout_underway import rollout_underway
from tests.system.served_office import ServedOffice, served_office

AXE_ALL = "DIEMCAU_AXE_ALL" in os.environ
pytestmark = pytest.mark.timeout(3600 if AXE_ALL else 420)

# Addresses of pages; {names} are prepared by `prepared`. What begins with ! is for who is not logged in.
PAGES = {
    "/": ["/"],
    "/account": ["/account"],
    "/account/keys/new": ["/account/keys/new"],
    "/audit": ["/audit", "/audit?who=khong-co"],
    "/chair/{meeting}/{token}": ["!{chair}"],
    "/e": ["/e"],
    "/e/follow/{enrolment}": ["/e/follow/khong-co"],  # the rest of them: test_enrolment_pages.py
    "/e/site": ["/e/site"],
    "/e/site/{site}": ["/e/site/{site}"],
    "/enrolments": ["/enrolments"],
    "/enter/{secret}": ["!{enter}", "!/enter/khong-co"],
    "/h/{meeting}/{site}/{token}": ["!{hall}"],
    "/h/{meeting}/{site}/{token}/people/{person}": ["!{person}"],
    "/faults": ["/faults", "/faults?days=365"],
    "/incidents": ["/incidents", "/incidents?q=khong+co"],
    "/incidents/new": ["/incidents/new"],
    "/incidents/{incident}": ["/incidents/{incident}", "/incidents/{shared}"],
    "/kept": ["{kept}"],
    "/login": ["!/login", "!/login?next=/sites"],
    "/meetings/new": ["/meetings/new", "/meetings/new?copy={series}"],
    "/meetings/{meeting}": ["/meetings/{running}", "/meetings/{held}", "/meetings/khong-co"],
    "/meetings/{meeting}/chair-link": ["/meetings/{running}/chair-link"],
    "/meetings/{meeting}/close": ["/meetings/{running}/close"],
    "/meetings/{meeting}/edit": ["/meetings/{series}/edit"],
    "/meetings/{meeting}/report": ["/meetings/{held}/report"],
    "/meetings/{meeting}/report/{site}": ["/meetings/{held}/report/{site}"],
    "/reports": ["/reports"],
    "/reports/sites": ["/reports/sites"],
    "/rollouts": ["/rollouts"],
    "/rollouts/{rollout}": ["/rollouts/{rollout}"],
    "/rollouts/{rollout}/units/{unit}": ["/rollouts/{rollout}/units/{unit}"],
    "/schedule": ["/schedule"],
    "/schedule/list": ["/schedule/list", "/schedule/list?q=khong+co"],
    "/schedule/{meeting}": ["/schedule/{series}"],
    "/second-factor": ["/second-factor"],
    "/sites": ["/sites", "/sites?q=khong+co"],
    "/sites/areas": ["/sites/areas"],
    "/sites/areas/{area}": ["/sites/areas/{area}"],
    "/sites/groups": ["/sites/groups"],
    "/sites/groups/{group}": ["/sites/groups/vung-sau"],
    "/sites/import": ["/sites/import"],
    "/sites/import/{table}": ["{table}"],
    "/sites/new": ["/sites/new"],
    "/sites/{site}": ["/sites/{site}", "/sites/{long}"],
    "/sites/{site}/devices": ["/sites/{site}/devices", "/sites/{long}/devices"],
    "/sites/{site}/edit": ["/sites/{long}/edit"],
    "/sites/{site}/remove": ["/sites/{site}/remove"],
    "/units/{unit}": ["/units/{unit}"],
    "/urgent": ["/urgent"],
    "/urgent/{meeting}": ["/urgent/{urgent}"],
    "/users": ["/users"],
    "/users/new": ["/users/new"],
    "/users/{name}": ["/users/{user}"],
    "/vouchers": ["/vouchers"],
    "/work-orders": ["/work-orders"],
}
# Parts of the pages above, files, streams, and addresses that only lead on.
NO_PAGES = {
    *("/chair/{meeting}/{token}/halls", "/chair/{meeting}/{token}/now", "/fragments/board"),
    *("/e/follow/{enrolment}/part", "/enrol/v1/roots", "/enrolments/part", "/openid/start", "/openid/back"),
    *("/h/{meeting}/{site}/{token}/now", "/h/{meeting}/{site}/{token}/people", "/healthz", "/incidents/part"),
    *("/incidents/table.csv", "/incidents/{incident}/part", "/incidents/{incident}/files/{number}", "/live"),
    *("/meetings/{meeting}/halls", "/meetings/{meeting}/now", "/meetings/{meeting}/report.csv"),
    *("/reports/sites.csv", "/reports/{meeting}", "/schedule/week", "/sites/{site}/part"),
    *("/schedule/{meeting}/documents/{attachment}", "/sites/area-names", "/sites/export", "/sites/template"),
    *("/rollouts/{rollout}/part",),
    *("/faults/table.csv", "/sites/{site}/devices/part", "/sites/{site}/notice.png", "/urgent/{meeting}/now"),
}
NAME = "Hội trường Trung tâm học tập cộng đồng liên xã Ea Kiết – Ea Kuêh – Cư Dliê M'nông"  # 81 letters
SCRIPT = "<script>alert('xin chào')</script> & \"họ\""
WIDTHS = (360, 1366, 3840)


class Prepared:
    """An office in which every page has something to show; `at` holds the ids of it."""

    def __init__(self, office: ServedOffice, browser: Browser) -> None:
        self.office, self.at = office, {"site": office.sites[1]}
        at, told = self.at, history(office)
        at |= {"held": told.occurrence, "incident": told.incident, "shared": told.shared}
        checked_room(office, at["site"])
        contacts = [{"name": SCRIPT, "phone": "0905 123 456", "task": "kỹ thuật"}]
        at["long"] = office.add("sites", name=NAME, contacts=contacts)["id"]
        at["area"] = office.get("areas")[0]["id"]
        at["unit"] = office.get(f"sites/{at['site']}")["unit"]["id"]
        at["user"] = office.add("users", name="h-lan", role="secretary", display_name=SCRIPT)["name"]
        at["enter"] = path(office.add("users/h-lan/link"))
        at["rollout"] = rollout_underway(office)
        sites = [*office.sites[:3], at["long"]]
        self._meetings(told, sites)
        with window(browser, office.url, office.token, 1366) as opened:
            at["table"] = self._table(opened.page)
            at["kept"] = self._kept(opened.page)

    def _meetings(self, told: History, sites: list[str]) -> None:
        office, at, now = self.office, self.at, datetime.now(UTC)
        running = {"title": NAME, "starts_at": now.isoformat(), "duration_s": 3600, "main_site": sites[0]}
        at["running"] = office.add("meetings", **running, sites=sites)["occurrences"][0]["id"]
        hand = {"site": sites[1], "text": SCRIPT}
        assert office.http.post(f"/api/v1/meetings/{at['running']}/hands", json=hand).is_success
        later = (now + timedelta(days=2)).isoformat()
        series = {**running, "title": SCRIPT, "starts_at": later, "rrule": "FREQ=WEEKLY", "chair": NAME}
        at["series"] = office.add("meetings", **series, sites=sites)["id"]
        at["chair"] = path(office.add(f"meetings/{at['running']}/chair-link"))
        at["hall"] = path(office.get(f"meetings/{at['running']}/halls/{sites[1]}/link"))
        person = office.add(
            f"meetings/{at['running']}/attendees",
            site=sites[1],
            name=NAME,
            status="present",
            position="Chủ tịch",
        )
        at["person"] = f"{at['hall']}/people/{person['id']}"
        at["urgent"] = office.add("urgent", title=SCRIPT, main_site=sites[0])["id"]

    def _table(self, page: Page) -> str:
        """A table somebody has sent, with mistakes in it."""
        page.goto(f"{self.office.url}/sites/import")
        rows = f"Mã,Tên,Điện thoại\nmoi,{NAME},0905\n{self.at['long']},{NAME},x\n"
        page.set_input_files(
            "#file", files=[{"name": "x.csv", "mimeType": "text/csv", "buffer": rows.encode()}]
        )
        page.get_by_role("button", name="Xem trước").click()
        page.wait_for_url("**/sites/import/*")
        return page.url.removeprefix(self.office.url)

    def _kept(self, page: Page) -> str:
        """A form that was sent after the session had ended."""
        page.goto(f"{self.office.url}/sites/new")
        page.fill("#name", NAME)
        page.context.clear_cookies()
        page.get_by_role("button", name="Thêm điểm cầu").click()
        page.wait_for_url("**/login?*")
        return "/kept?key=" + page.locator("[name=kept]").input_value()


def path(link: dict[str, Any]) -> str:
    """The part of a link that is the same on every machine."""
    return "/" + str(link["url"]).split("/", 3)[3]


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, ServedOffice]]:
    few, many = tmp_path_factory.mktemp("few"), tmp_path_factory.mktemp("many")
    with served_office(few, 3) as three, served_office(many, 168) as country:
        yield {3: three, 168: country}


@pytest.fixture(scope="module")
def browser(offices: dict[int, ServedOffice]) -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def of_size(offices: dict[int, ServedOffice], browser: Browser) -> Callable[[int], Prepared]:
    return cache(lambda count: Prepared(offices[count], browser))


@pytest.fixture(params=[3, 168])
def prepared(request: pytest.FixtureRequest, of_size: Callable[[int], Prepared]) -> Prepared:
    return of_size(request.param)


@contextmanager
def stranger(browser: Browser, url: str) -> Iterator[Watched]:
    """A window in which nobody is logged in."""
    context = browser.new_context(viewport={"width": 360, "height": 740})
    yield Watched(context.new_page(), url)
    context.close()


def narrow(opened: Watched) -> None:
    """As it is before the next page is loaded."""
    opened.page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHTS[WIDTHS[0]]})


def faults(opened: Watched, where: str, *, axe: bool) -> Iterator[str]:
    """What is wrong with the page as it stands, at every width."""
    for width in WIDTHS:
        opened.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        try:
            opened.check(axe=axe)
        except AssertionError as fault:
            yield f"{where} at {width} px: {fault}"
        opened.wrong.clear()


def test_the_list_of_pages_is_whole(offices: dict[int, ServedOffice]) -> None:
    routes = (route.split() for route in walk(offices[3].nobody.app.routes))  # type: ignore[attr-defined]
    there = {address for method, address in routes if method == "GET" and not address.startswith("/api/")}
    assert there - NO_PAGES - PAGES.keys() == set(), "write an address of these pages into PAGES"
    assert (PAGES.keys() | NO_PAGES) - there == set(), "these are gone"


def test_every_page_at_every_width(prepared: Prepared, browser: Browser) -> None:
    office, found = prepared.office, list[str]()
    with window(browser, office.url, office.token, 1366) as inside, stranger(browser, office.url) as outside:
        for address in (one for addresses in PAGES.values() for one in addresses):
            opened = outside if address.startswith("!") else inside
            filled = address.removeprefix("!").format_map(prepared.at)
            narrow(opened)  # a page of the widest screen takes half as long again to load
            answer = opened.page.goto(office.url + filled)
            assert answer is not None
            if answer.status >= 400:  # the browser itself says so on its console
                opened.wrong = [one for one in opened.wrong if str(answer.status) not in one]
                if "khong-co" not in filled:
                    found.append(f"{address}: {answer.status}")
            found += faults(opened, address, axe=AXE_ALL or office.count == 3)
    assert found == [], "\n".join(found)


def test_every_page_in_english(of_size: Callable[[int], Prepared], browser: Browser) -> None:
    prepared, found = of_size(3), list[str]()
    office = prepared.office
    with window(browser, office.url, office.token, 1366) as opened:
        opened.page.goto(f"{office.url}/account?lang=en")
        for address in (one for addresses in PAGES.values() for one in addresses if one[0] != "!"):
            opened.page.goto(office.url + address.format_map(prepared.at))
            opened.wrong.clear()
            try:
                assert opened.page.locator("html").get_attribute("lang") == "en"
                opened.check(axe=False)
            except AssertionError as fault:
                found.append(f"{address}: {fault}")
    assert found == [], "\n".join(found)
