"""Tables of sites as offices keep them: what the headings mean, what a row says, and the table we give out.

A table is lines of cells, all of them text. The first line that names a column “Tên” is the heading; a title
above it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .naming import plain
from .refusals import Invalid
from .site_cells import Unreadable, read_cell, write_cell
from .wrong_site import Wrong

MAX_ROWS = 20_000
MAX_CONTACTS = 8
_TITLE_LINES = 10

Line = tuple[int, list[str]]  # its number as people count, from 1, and its cells

# What a column is called in a table we give out, and everything it may be called in one we are given.
COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("Mã", "mã điểm cầu", "id"),
    "name": ("Tên", "tên điểm cầu", "điểm cầu", "name"),
    "area": ("Địa bàn", "area"),
    "contact_name": ("Đầu mối", "contact", "contact_name", "contact name"),
    "contact_phone": ("Điện thoại", "số điện thoại", "đt", "phone", "contact_phone", "contact phone"),
    "contact_task": ("Nhiệm vụ", "task", "contact_task", "contact task"),
    "camera": ("Camera",),
    "camera_small": ("Camera hình nhỏ", "hình nhỏ", "camera_small", "camera small"),
    "camera_onvif": ("Camera ONVIF", "onvif", "camera_onvif"),
    "camera_preset": ("Hướng camera", "preset", "camera_preset", "camera preset"),
    "microphone": ("Micro", "microphone", "mic"),
    "echo_cancellation": ("Khử tiếng vọng", "echo_cancellation", "echo cancellation"),
    "sound": ("Loa", "sound"),
    "volume_percent": ("Âm lượng", "volume", "volume_percent"),
    "television": ("Tivi", "tv", "television"),
    "buttons": ("Bàn phím", "buttons", "keypad"),
    "morning_at": ("Giờ kiểm tra sáng", "giờ tự kiểm tra buổi sáng", "morning_at", "morning check"),
    "check_tone": ("Phát âm thử", "check_tone", "tone"),
    "room_pictures": ("Chụp phòng họp", "chụp hình phòng họp", "room_pictures", "room pictures"),
    "is_centre": ("Trung tâm", "điểm cầu chính", "centre", "is_centre"),
    "language": ("Ngôn ngữ", "language"),
    "video": ("Hình gửi đi", "video"),
    "screen": ("Màn hình", "screen"),
    "ssh_address": ("Địa chỉ SSH", "ssh", "ssh_address", "ssh address"),
    "neighbour": ("Nguồn cập nhật", "neighbour"),
}
# Those after the contacts, in the order we give them out.
_SETTINGS = tuple(
    field for field in COLUMNS if field not in ("id", "name", "area") and "contact" not in field
)
# A table to fill in. Its lines only show how, and are to be replaced.
TEMPLATE = (
    ("Mã", "Tên", "Địa bàn", "Đầu mối", "Điện thoại", "Nhiệm vụ",
     "Đầu mối 2", "Điện thoại 2", "Nhiệm vụ 2", "Camera", "Micro", "Trung tâm", "Ngôn ngữ"),
    ("trung-tam", "Hội trường UBND tỉnh", "", "Nguyễn Văn An", "0905 123 456", "kỹ thuật",
     "", "", "", "", "", "x", "vi"),
    ("ea-kiet", "Hội trường xã Ea Kiết", "Xã Ea Kiết", "H’Bhin Niê", "0905 123 457", "văn phòng",
     "Trần Văn Bình", "0262 3812 345", "kỹ thuật", "", "", "", "vi"),
)  # fmt: skip
_FIELDS = {plain(name): field for field, names in COLUMNS.items() for name in names}
_NOT_READ = frozenset({"stt", "tt", "so tt", "so thu tu", "no", "no."})  # the running number of a line
_NUMBERED = re.compile(r"(contact_(?:name|phone|task))([1-8])")
_ROUNDED = re.compile(r"\d[.,]\d+e\+?\d+", re.IGNORECASE)
_FORMULA = tuple("=+-@\t\r")  # what a CSV guards with an apostrophe, so that no cell is a formula


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: its number, and the text of each field it has."""

    line: int
    cells: dict[str, str]


def read_rows(lines: Iterable[Line]) -> list[Row]:
    """The rows under the heading. Raises :class:`Invalid` for what is no table of sites."""
    header: list[str] | None = None
    found: list[Row] = []
    titles = 0
    for number, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _heading(cells)
            titles += header is None
            if titles > _TITLE_LINES:
                break
            continue
        if any(cell.strip() for cell in cells[len(header) :]):
            raise Invalid(
                f"line {number} has more cells than there are columns", code="table.more_cells", line=number
            )
        found.append(Row(number, {f: _bare(c) for f, c in zip(header, cells, strict=False) if f}))
        if len(found) > MAX_ROWS:
            raise Invalid(
                f"more than {MAX_ROWS} sites in one file: split it", code="table.too_long", most=MAX_ROWS
            )
    if header is None:
        raise Invalid(
            "the first line must name the columns, at least “Tên” (or “name”)", code="table.no_heading"
        )
    if not found:
        raise Invalid("there is no site in the file", code="table.empty")
    return found


def fields_of(row: Row) -> tuple[dict[str, Any], list[Wrong]]:
    """A row as the fields of a new site, without its area; and what in it cannot be read."""
    cells, wrong = row.cells, list[Wrong]()
    fields: dict[str, Any] = {"name": cells.get("name", "")}
    if cells.get("id"):
        fields["id"] = cells["id"]
    for key in _SETTINGS:
        if not cells.get(key):
            continue
        try:
            fields[key] = read_cell(key, cells[key])
        except Unreadable as error:
            wrong.append(error.wrong)
    contacts, more = _contacts(cells)
    if contacts:
        fields["contacts"] = contacts
    return fields, wrong + more


def telephone(text: str) -> str:
    """A telephone number with the leading 0 that a spreadsheet took for superfluous.

    Only a number of 9 or 10 digits that could not be dialled otherwise gets one: `905123456` → `0905123456`;
    `1900…`, `84…` with eleven digits and whatever has signs in it stay.
    """
    if text.isdecimal() and len(text) in (9, 10) and text[0] in "23456789":
        return "0" + text
    return text


def table_of(sites: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A heading and a line for each site: the fields of a site with `area` as a path. :func:`read_rows` reads
    it back.
    """
    contacts = max([2, *(len(site["contacts"]) for site in sites)])
    heading = [COLUMNS["id"][0], COLUMNS["name"][0], COLUMNS["area"][0]]
    for number in range(1, contacts + 1):
        after = "" if number == 1 else f" {number}"
        heading += [COLUMNS[f"contact_{part}"][0] + after for part in ("name", "phone", "task")]
    heading += [COLUMNS[field][0] for field in _SETTINGS]
    return [heading, *(_line(site, contacts) for site in sites)]


def _line(site: dict[str, Any], contacts: int) -> list[str]:
    cells = [site["id"], site["name"], site["area"]]
    for number in range(contacts):
        one = site["contacts"][number] if number < len(site["contacts"]) else {}
        cells += [str(one.get(part, "")) for part in ("name", "phone", "task")]
    return [*cells, *(write_cell(field, site[field]) for field in _SETTINGS)]


def _heading(cells: Sequence[str]) -> list[str] | None:
    """The field of each column, empty for one that is not read. None for a title above the heading."""
    known = [_field(cell) for cell in cells]
    if "name" not in known:
        return None
    unknown = [cell for cell, field in zip(cells, known, strict=True) if field is None]
    if unknown:
        columns = ", ".join(names[0] for names in COLUMNS.values())
        column = unknown[0].strip()[:40]
        raise Invalid(
            f"column “{column}” is not known: columns are {columns}",
            code="table.unknown_column",
            column=column,
            columns=columns,
        )
    fields = [field or "" for field in known]
    read = [field for field in fields if field]
    if len(set(read)) != len(read):
        raise Invalid("two columns have the same meaning: keep one of them", code="table.column_twice")
    return fields


def _field(heading: str) -> str | None:
    """The field a column holds, empty for one we do not read, None for one nobody knows."""
    name = " ".join(plain(heading.replace("*", " ")).split())
    if not name or name in _NOT_READ:
        return ""
    if name in _FIELDS:
        return _FIELDS[name] + ("1" if _FIELDS[name].startswith("contact_") else "")
    words, _, last = name.rpartition(" ")
    field = _FIELDS.get(words, "")
    numbered = f"{field}{last}"
    return numbered if _NUMBERED.fullmatch(numbered) else None


def _contacts(cells: dict[str, str]) -> tuple[list[dict[str, str]], list[Wrong]]:
    contacts, wrong = [], list[Wrong]()
    for number in range(1, MAX_CONTACTS + 1):
        name, phone, task = (cells.get(f"contact_{part}{number}", "") for part in ("name", "phone", "task"))
        if _ROUNDED.fullmatch(phone):
            wrong.append(
                Wrong(
                    f"telephone “{phone}” was rounded by the spreadsheet: format the column as text",
                    "table.phone_rounded",
                    {"text": phone},
                )
            )
        if name or phone or task:
            contacts.append({"name": name, "phone": telephone(phone), "task": task})
    return contacts, wrong


def _bare(cell: str) -> str:
    """A cell without the apostrophe that guards it."""
    text = cell.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
