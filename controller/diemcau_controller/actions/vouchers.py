"""Papers that prepare a site ahead: made, listed, withdrawn."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from diemcau_wire.enrolment import What, fingerprint_of
from diemcau_wire.messages import Nfc, SiteId
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.authority import Authority
from ..kept_secret import kept_secret
from ..rules.actor import Actor
from ..rules.refusals import Invalid, NotFound
from ..rules.vouchers import LONGEST, USUAL, sealed
from ..store.tables import Voucher
from .audit import record
from .controller import Controller
from .scope import site_for


class VoucherSpec(BaseModel):
    """A paper to make. The network is for the paper only and is not kept: Wi-Fi or access point, if the hall
    needs one."""

    model_config = ConfigDict(extra="forbid")
    site: SiteId
    what: What = What.INSTALL
    days: Annotated[float, Field(gt=0, le=LONGEST.days)] = USUAL.days
    ssid: Annotated[str, Field(max_length=32), Nfc] = ""
    password: Annotated[str, Field(max_length=63)] = ""
    apn: Annotated[str, Field(max_length=100)] = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper as it is shown once: `text` goes into the QR code, `voucher` is in it."""

    id: str
    site: str
    what: str
    expires_at: datetime
    voucher: str
    text: str


async def make_voucher(controller: Controller, who: Actor, spec: VoucherSpec) -> Paper:
    """Make a paper for a site in scope; it can be shown only now."""
    if spec.password and not spec.ssid:
        raise Invalid("a Wi-Fi password needs the name of the Wi-Fi", code="vouchers.ssid", field="ssid")
    now = controller.now()
    made = Voucher(
        id=f"p{secrets.token_hex(6)}",
        site_id=spec.site,
        what=spec.what.value,
        made_by=who.name,
        made_at=now,
        expires_at=(now + timedelta(days=spec.days)).replace(microsecond=0),
    )

    def change(session: Session) -> None:
        site_for(session, who, spec.site)
        session.add(made)
        record(session, who, now, "voucher.add", f"site:{spec.site}", after=_said(made))

    await controller.write(change)
    controller.news.tell("enrolment", site=spec.site)
    voucher = sealed(voucher_key(controller), made.id, made.site_id, made.what, made.expires_at)
    return Paper(
        made.id, made.site_id, made.what, made.expires_at, voucher, paper_text(controller, voucher, spec)
    )


async def withdraw_voucher(controller: Controller, who: Actor, voucher_id: str) -> None:
    """Let a paper that was not used yet admit nobody. Again is no change."""

    def change(session: Session) -> None:
        voucher = session.get(Voucher, voucher_id)
        if voucher is None or not who.sees(voucher.site_id):
            raise NotFound(f"there is no paper {voucher_id[:40]}", code="vouchers.unknown")
        if voucher.withdrawn_at is None and voucher.used_at is None:
            voucher.withdrawn_at, voucher.withdrawn_by = controller.now(), who.name
            about = f"site:{voucher.site_id}"
            record(session, who, controller.now(), "voucher.withdraw", about, after=_said(voucher))

    await controller.write(change)
    controller.news.tell("enrolment")


def vouchers(session: Session, who: Actor) -> list[Voucher]:
    """The papers of sites in scope, the newest first."""
    rows = session.scalars(select(Voucher).order_by(Voucher.made_at.desc()).limit(500))
    return [voucher for voucher in rows if who.sees(voucher.site_id)]


def paper_text(controller: Controller, voucher: str, spec: VoucherSpec) -> str:
    """What the QR code says: the form of the boot file `diemcau.toml` (docs/interfaces.md)."""
    authority = Authority(controller.state.authority, controller.now)
    authority.ensure()
    roots = authority.roots()[:2]  # active and asleep: that is enough to begin
    lines = [
        f"address={_quoted(controller.settings.web_url)}",
        f"roots=[{','.join(_quoted(fingerprint_of(root)) for root in roots)}]",
        f"voucher={_quoted(voucher)}",
    ]
    network = {"ssid": spec.ssid, "password": spec.password, "apn": spec.apn}
    if any(network.values()):
        lines.append("[network]")
        lines += [f"{name}={_quoted(value)}" for name, value in network.items() if value]
    return "\n".join(lines) + "\n"


def voucher_key(controller: Controller) -> bytes:
    """The key that seals papers."""
    return kept_secret(controller.state.voucher_key).encode()


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's form is one, but for DEL, which no network is called."""
    return json.dumps(text, ensure_ascii=False)


def _said(voucher: Voucher) -> dict[str, object]:
    return {"voucher": voucher.id, "what": voucher.what, "expires_at": voucher.expires_at.isoformat()}
