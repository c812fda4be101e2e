"""Tables of sites as offices keep them: what is read, what is refused; a round trip changes nothing."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from typing import Any

import openpyxl
import pytest
from diemcau_controller.adapters.table_file import MAX_LINES, decode, read_table, write_workbook
from diemcau_controller.rules.csv_table import csv_table
from diemcau_controller.rules.refusals import Invalid
from diemcau_controller.rules.site_table import (
    MAX_ROWS,
    TEMPLATE,
    Row,
    fields_of,
    read_rows,
    table_of,
    telephone,
)

SITE: dict[str, Any] = {
    "id": "ea-kiet",
    "name": "Xã Ea Kiết",
    "area": "Tỉnh Đắk Lắk / Xã Ea Kiết",
    "contacts": [
        {"name": "=HYPERLINK(1)", "phone": "+84 905 1", "task": "-kỹ thuật"},
        {"name": "B", "phone": "0905000002", "task": ""},
        {"name": "C", "phone": "0905000003", "task": "@"},
    ],
    "camera": "rtsp://10.0.0.2/1",
    "camera_small": "rtsp://u:p%40@10.0.0.2/2",
    "camera_onvif": "onvif://u:p%40@10.0.0.2",
    "camera_preset": "Bục phát biểu",
    "microphone": "none",
    "echo_cancellation": False,
    "sound": "none",
    "volume_percent": 0,
    "television": "cec",
    "buttons": "evdev:usb-Logitech_R400",
    "morning_at": None,
    "check_tone": False,
    "room_pictures": True,
    "is_centre": True,
    "language": "en",
    "video": {"width": 640, "height": 360, "fps": 15, "bitrate_bps": 700_000},
    "screen": {"width": 1920, "height": 1080},
    "ssh_address": "10.20.0.7:2222",
    "neighbour": "http://192.168.1.5:8080",
}


def windows_1258(text: str) -> bytes:
    """As Windows writes Vietnamese: a letter, then its tone mark."""
    out = b""
    for letter in unicodedata.normalize("NFC", text):
        try:
            out += letter.encode("cp1258")
        except UnicodeEncodeError:
            parts = unicodedata.normalize("NFD", letter)
            tone = next(mark for mark in "\u0300\u0301\u0303\u0309\u0323" if mark in parts)
            out += unicodedata.normalize("NFC", parts.replace(tone, "")).encode("cp1258")
            out += tone.encode("cp1258")
    return out


def workbook(*lines: list[Any], formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    for cell, form in (formats or {}).items():
        book.active[cell].number_format = form
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def rows(data: bytes) -> list[Row]:
    return read_rows(read_table(data))


NAME = "Hội trường xã Ea Kiết – Đắk Lắk, ẵ ộ ữ ỡ"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1258", "nfd"]
)
def test_encodings_and_delimiters(encoding: str, delimiter: str) -> None:
    text = f'Mã{delimiter}Tên\r\nea-kiet{delimiter}"{NAME}"\r\n'
    if encoding == "cp1258":
        data = windows_1258(text)
    elif encoding == "nfd":
        data = unicodedata.normalize("NFD", text).encode()
    else:
        data = text.encode(encoding)
    assert rows(data) == [Row(2, {"id": "ea-kiet", "name": NAME})]


def test_a_title_and_a_running_number_above_and_beside_the_table() -> None:
    text = "DANH SÁCH ĐIỂM CẦU,,\n,,\nSTT,Mã điểm cầu *,TÊN ĐIỂM CẦU\n1,ea-kiet,Xã Ea Kiết\n"
    assert rows(text.encode()) == [Row(4, {"id": "ea-kiet", "name": "Xã Ea Kiết"})]


def test_a_workbook_with_numbers_formulas_and_dates() -> None:
    data = workbook(
        ["Tên", "Điện thoại", "Điện thoại 2", "Trung tâm"],
        ["A", 905123456, 905123457.0, True],
        ["B", 905123456, "0905", None],
        ["=1+1", "0905 1", None, "x"],
        formats={"B3": "0000000000"},
    )
    found = rows(data)
    contacts = [fields_of(row)[0].get("contacts") for row in found]
    assert [c["phone"] for c in contacts[0]] == ["0905123456", "0905123457"]
    assert contacts[1][0]["phone"] == "0905123456"
    assert [fields_of(row)[0]["is_centre"] for row in found[:1]] == [True]
    assert found[2].cells["name"] == "", "a formula that was never calculated has no value"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("905123456", "0905123456"),
        ("2623812345", "02623812345"),
        ("0905123456", "0905123456"),
        ("1900123456", "1900123456"),
        ("84905123456", "84905123456"),
        ("113", "113"),
        ("0905 123 456", "0905 123 456"),
    ],
)
def test_a_lost_zero_comes_back(written: str, meant: str) -> None:
    assert telephone(written) == meant


def test_a_round_trip_gives_the_same_sites() -> None:
    table = table_of([SITE])
    as_csv = csv_table(table[0], table[1:]).encode()
    assert as_csv.startswith(b"\xef\xbb\xbf") and b",'=HYPERLINK(1),'+84 905 1,'-k" in as_csv
    for data in (as_csv, write_workbook(table, "Điểm cầu")):
        (row,) = rows(data)
        fields, wrong = fields_of(row)
        assert wrong == []
        assert {**fields, "area": row.cells["area"]} == SITE


def test_what_a_site_may_leave_open_stays_open() -> None:
    bare = {**SITE, "camera_small": None, "camera_onvif": None, "camera_preset": None, "volume_percent": None}
    table = table_of([{**bare, "morning_at": "06:45", "is_centre": False}])
    (row,) = rows(csv_table(table[0], table[1:]).encode())
    fields, wrong = fields_of(row)
    assert wrong == [] and fields["morning_at"] == "06:45"
    left_open = {"camera_small", "camera_onvif", "camera_preset", "volume_percent", "is_centre"}
    assert left_open.isdisjoint(fields)


@pytest.mark.parametrize(
    ("field", "written", "meant"),
    [
        ("morning_at", "7:00", "07:00"),
        ("morning_at", "06:45:00", "06:45"),
        ("morning_at", "7 giờ 05", "07:05"),
        ("morning_at", "7h", "07:00"),
        ("morning_at", "không", None),
        ("morning_at", "sáng sớm", "sáng sớm"),
        ("volume_percent", "60 %", 60),
        ("volume_percent", "to", "to"),
        ("echo_cancellation", "Có", True),
        ("check_tone", "không", False),
        ("room_pictures", "x", True),
    ],
)
def test_devices_as_people_write_them(field: str, written: str, meant: Any) -> None:
    assert fields_of(Row(2, {"name": "A", field: written})) == ({"name": "A", field: meant}, [])


def test_the_template_is_a_table() -> None:
    assert [row.cells["id"] for row in rows(write_workbook(list(TEMPLATE), "x"))] == ["trung-tam", "ea-kiet"]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"name": "A", "is_centre": "có lẽ"}, "table.yes_no"),
        ({"name": "A", "language": "tiếng Pháp"}, "table.language"),
        ({"name": "A", "video": "to"}, "table.size"),
        ({"name": "A", "contact_phone1": "9,05E+08"}, "table.phone_rounded"),
    ],
)
def test_a_cell_that_cannot_be_read(cells: dict[str, str], code: str) -> None:
    assert [wrong.code for wrong in fields_of(Row(2, cells))[1]] == [code]


def hollow(*, unpacked: int) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b" " * unpacked)
    return data.getvalue()


def swollen() -> bytes:
    """A workbook whose sheet grows a thousandfold by XML entities."""
    entities = b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8))
    sheet = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "' + b"a" * 100 + b'">' + entities + b"]>"
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c t="str"><v>&i;</v></c></row></sheetData></worksheet>'
    )
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook(["Tên"]))) as whole, zipfile.ZipFile(data, "w") as parts:
        for part in whole.infolist():
            parts.writestr(part.filename, sheet if "sheet1" in part.filename else whole.read(part))
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "table.no_heading"),
        (b"\xff\xfe", "table.no_heading"),
        ("Tên\n".encode(), "table.empty"),
        ("Tên,Màu\nA,đỏ\n".encode(), "table.unknown_column"),
        ("Tên,Name\nA,B\n".encode(), "table.column_twice"),
        ("Tên\nA,B\n".encode(), "table.more_cells"),
        ('Tên\n"A\n'.encode(), "table.not_csv"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "table.encoding"),
        (b"ten\nA\0B\n", "table.not_text"),
        (b"PK\x03\x04\0\0", "table.not_excel"),
        (workbook(["Tên"])[:-200], "table.not_excel"),
        (hollow(unpacked=1000), "table.not_excel"),
        (hollow(unpacked=60_000_000), "table.bomb"),
        (swollen(), "table.not_excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "table.old_excel"),
        (b"x" * 4_200_000, "table.too_large"),
        (("Tên\n" + "A\n" * (MAX_ROWS + 1)).encode(), "table.too_long"),
        (("x\n" * (MAX_LINES + 1)).encode(), "table.too_long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        rows(data)
    assert refused.value.code == code


def test_windows_1258_is_composed() -> None:
    assert decode(windows_1258("Tiếng Việt")) == "Tiếng Việt"
