"""Add many sites from a CSV file, as offices keep it: all of them, or none and a list of what is wrong."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.naming import plain
from ..rules.refusals import Invalid, Refusal
from ..rules.wrong_fields import sentence
from ..store.tables import Area
from .add_site import SiteSpec, insert_site
from .controller import Controller

MAX_ROWS = 20_000

# Plain form of a header (no case, no diacritics) → field. The first of each is the one we document.
HEADERS = {
    "ma": "id",
    "id": "id",
    "ten": "name",
    "ten diem cau": "name",
    "diem cau": "name",
    "name": "name",
    "dia ban": "area",
    "area": "area",
    "dau moi": "contact_name",
    "contact": "contact_name",
    "contact_name": "contact_name",
    "dien thoai": "contact_phone",
    "so dien thoai": "contact_phone",
    "phone": "contact_phone",
    "contact_phone": "contact_phone",
    "camera": "camera",
    "micro": "microphone",
    "microphone": "microphone",
    "trung tam": "is_centre",
    "diem cau chinh": "is_centre",
    "centre": "is_centre",
    "is_centre": "is_centre",
    "ngon ngu": "language",
    "language": "language",
}
_YES = frozenset({"1", "x", "co", "yes", "true", "dung"})
_NO = frozenset({"", "0", "khong", "no", "false", "sai"})


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in one line of the file; `line` counts from 1, the header being line 1."""

    line: int
    text: str


class ImportRefused(Invalid):
    """The file was not imported; `errors` says why, row by row."""

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(
            "nothing was imported, for these lines are wrong: correct them and import the file again"
        )
        self.errors = errors


async def import_sites(controller: Controller, who: Actor, data: bytes) -> list[str]:
    """Add every site of the file and give their ids. Raises :class:`ImportRefused`."""
    rows = _rows(data)

    def change(session: Session) -> list[str]:
        areas = {plain(area.name): area.id for area in session.scalars(select(Area))}
        areas |= {area_id: area_id for area_id in areas.values()}
        errors: list[RowError] = []
        added: list[str] = []
        for line, row in rows:
            try:
                added.append(insert_site(controller, session, who, _spec(row, areas)))
            except ValidationError as error:
                errors += [
                    RowError(line, f"{'.'.join(str(s) for s in e['loc'])}: {sentence(e)}")
                    for e in error.errors()
                ]
            except Refusal as error:
                errors.append(RowError(line, str(error)))
        if errors:
            raise ImportRefused(errors)
        return added

    added = await controller.write(change)
    controller.news.tell("site")
    return added


def _rows(data: bytes) -> list[tuple[int, dict[str, str]]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"the file is not UTF-8 (byte {error.start}): save it as “CSV UTF-8”") from None
    if "\0" in text:
        raise Invalid("the file is not text: save the table as “CSV UTF-8”")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[int, dict[str, str]]] = []
    try:
        header = [_field(cell) for cell in next(reader, [])]
        if "name" not in header:
            raise Invalid("the first line must name the columns, at least “Tên” (or “name”)")
        if len(set(header)) != len(header):
            raise Invalid("two columns have the same meaning: keep one of them")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                raise Invalid(f"line {reader.line_num} has more cells than there are columns")
            found.append((reader.line_num, dict(zip(header, (c.strip() for c in cells), strict=False))))
            if len(found) > MAX_ROWS:
                raise Invalid(f"more than {MAX_ROWS} sites in one file: split it")
    except csv.Error as error:
        raise Invalid(f"the file is not CSV at line {reader.line_num}: {error}") from None
    if not found:
        raise Invalid("there is no site in the file")
    return found


def _field(header: str) -> str:
    try:
        return HEADERS[" ".join(plain(header).split())]
    except KeyError:
        raise Invalid(
            f"column “{header.strip()[:40]}” is not known: columns are Mã, Tên, Địa bàn, Đầu mối, "
            "Điện thoại, Camera, Micro, Trung tâm, Ngôn ngữ"
        ) from None


def _spec(row: dict[str, str], areas: dict[str, str]) -> SiteSpec:
    fields: dict[str, Any] = {
        key: row[key] for key in ("id", "name", "camera", "microphone", "language") if row.get(key)
    }
    fields.setdefault("name", "")
    if row.get("area"):
        area = areas.get(plain(row["area"]))
        if area is None:
            raise Invalid(f"area “{row['area']}” is not known: add it first")
        fields["area"] = area
    centre = plain(row.get("is_centre", ""))
    if centre not in _YES | _NO:
        raise Invalid(f"“{row['is_centre']}” is neither yes nor no: write x or leave it empty")
    fields["is_centre"] = centre in _YES
    if row.get("contact_name") or row.get("contact_phone"):
        fields["contacts"] = [{"name": row.get("contact_name", ""), "phone": row.get("contact_phone", "")}]
    return SiteSpec.model_validate(fields)
