"""Pictures of installing and replacing units: the technician's phone, the office's pages, the paper."""

from __future__ import annotations

from pathlib import Path

from diemcau_controller.config import Settings
from playwright.sync_api import Page

from tests.browser.page_checks import chromium
from tests.lab.camera import PERSON, Camera, camera
from tests.system.arriving_unit import ArrivingUnit
from tests.system.served_office import ServedOffice, served_office

SITES = 12
HERE = "ea-kiet"


def photograph_enrolment(root: Path, folder: Path) -> None:
    """Write the pictures into `folder`; `root` is for the database."""
    with served_office(root, SITES) as office, chromium() as browser:
        office.controller.settings = Settings.model_validate(
            {"coordinator": {"name": "Văn phòng UBND tỉnh", "phone": "0262 3 850 850"}}
        )
        contacts = [{"name": "H'Lan Ayun", "phone": "0905 123 458", "task": "văn thư"}]
        office.add("sites", id=HERE, name="Xã Ea Kiết", contacts=contacts)
        office.add("users", name="tuan", display_name="Lê Anh Tuấn", role="technician", sites=[HERE])
        office.add("users", **PERSON)
        note = "Gặp chị H'Lan ở văn thư. Máy đặt dưới tivi, phòng họp tầng 2."
        office.add("work-orders", site=HERE, what="install", technician="tuan", note=note)
        with camera(browser, office.url, _token(office, "tuan"), folder) as taking:
            _first_installation(office, taking)
        office.add(
            "work-orders", site=HERE, what="replace", technician="tuan", note="Máy cũ không lên nguồn."
        )
        with camera(browser, office.url, _token(office, "tuan"), folder) as taking:
            _type(taking.page("phone"), office, ArrivingUnit(office).ask())
            taking.take("install-replace", f"/e/site/{HERE}", "phone", whole=True)
        with camera(browser, office.url, _token(office, PERSON["name"]), folder) as taking:
            _in_the_office(office, taking)


def _first_installation(office: ServedOffice, taking: Camera) -> None:
    page = taking.page("phone")
    unit = ArrivingUnit(office)
    code = unit.ask()
    taking.take("install-code", "/e", "phone")
    _type(page, office, code)
    taking.take("install-confirm", f"/e/site/{HERE}", "phone", whole=True)
    page.get_by_role("button", name="Lắp máy này").click()
    page.wait_for_url("**/e/follow/*")
    follow = page.url.removeprefix(office.url)
    unit.fetch()
    unit.connect()
    taking.take("install-follow", follow, "phone")
    unit.configure()
    unit.check("not_ready", "camera_missing")
    taking.take("install-fault", follow, "phone")
    unit.check("ready")
    taking.take("install-ready", follow, "phone")


def _in_the_office(office: ServedOffice, taking: Camera) -> None:
    served = office.controller.fleet.now().by_id[HERE].unit
    assert served is not None
    taking.take("enrolments", "/enrolments")
    taking.take("work-orders", "/work-orders")
    taking.take("vouchers", f"/vouchers?site={office.sites[0]}")
    taking.take("unit", f"/units/{served.id}")
    page = taking.page("desk")
    page.goto(f"{office.url}/vouchers?site={office.sites[0]}")
    page.get_by_role("button", name="Lập và in phiếu").click()
    page.get_by_role("button", name="In phiếu").wait_for()
    taking.shoot(page, "voucher-desk", whole=True)


def _type(page: Page, office: ServedOffice, code: str) -> None:
    page.goto(f"{office.url}/e")
    page.locator("#code").fill(code)
    page.get_by_role("button", name="Tiếp tục").click()
    page.wait_for_url("**/e/site**")


def _token(office: ServedOffice, name: str) -> str:
    return str(office.add(f"users/{name}/token")["token"])
