"""A table somebody sends, as lines of text: CSV in the encodings offices use, or an Excel workbook.

Both are bounded in bytes, lines and cells before anything is built from them. What reads workbooks loads much
(an eighth of the controller's start), so it is imported by who has one.
"""

from __future__ import annotations

import csv
import io
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from ..rules.refusals import Invalid
from ..rules.site_table import Line

if TYPE_CHECKING:
    from openpyxl.cell import Cell, MergedCell

MAX_BYTES = 4 * 1024 * 1024
MAX_LINES = 30_000
MAX_CELLS = 64
_MAX_UNPACKED = 48 * 1024 * 1024
_MAX_PARTS = 500
_EXCEL = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_DELIMITERS = ",;\t"


def read_table(data: bytes) -> list[Line]:
    """The lines of a CSV or XLSX file, numbered from 1, every cell as text (NFC).

    Raises :class:`Invalid` for what is neither, and for what is larger than a table of sites can be.
    """
    if len(data) > MAX_BYTES:
        raise Invalid("the file is larger than 4 MB: split it", code="table.too_large")
    if data.startswith(_EXCEL):
        lines = _workbook_lines(data)
    elif data.startswith(_OLD_EXCEL):
        raise Invalid("this is a workbook of Excel 97–2003 (.xls): save it as .xlsx", code="table.old_excel")
    else:
        lines = _csv_lines(decode(data))
    found: list[Line] = []
    for number, cells in lines:
        if len(found) >= MAX_LINES:
            raise Invalid(
                f"more than {MAX_LINES} lines in one file: split it", code="table.too_long", most=MAX_LINES
            )
        if any(cells):
            found.append((number, [unicodedata.normalize("NFC", cell) for cell in cells]))
    return found


def write_workbook(table: Sequence[Sequence[str]], title: str) -> bytes:
    """The table as an XLSX file with one sheet; every cell is text, so nothing is a formula or loses a 0."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    for column in range(1, len(table[0]) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = 22
    for place, cells in enumerate(table):
        row = []
        for text in cells:
            cell = WriteOnlyCell(sheet, text)
            cell.data_type, cell.number_format = "s", "@"
            if place == 0:
                cell.font = Font(bold=True)
            row.append(cell)
        sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def decode(data: bytes) -> str:
    """Text in UTF-8 (with or without a byte order mark), UTF-16 or Windows-1258, as NFC."""
    try:
        text = data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        raise Invalid(
            f"the file is not UTF-8, UTF-16 or Windows-1258 (byte {error.start}): save it as “CSV UTF-8”",
            code="table.encoding",
        ) from None
    if any(unicodedata.category(letter) == "Cc" and letter not in "\t\r\n" for letter in text):
        raise Invalid(
            "the file is not text: save the table as “CSV UTF-8” or as .xlsx", code="table.not_text"
        )
    return unicodedata.normalize("NFC", text)


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in data[:2]:
        return "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1258"  # letters and their tone marks apart: NFC puts them together
    return "utf-8-sig"


def _csv_lines(text: str) -> Iterator[Line]:
    head = text.split("\n", 10)[:10]
    delimiter = max(_DELIMITERS, key=lambda sign: sum(line.count(sign) for line in head))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise Invalid(
            f"the file is not CSV at line {reader.line_num}: {error}",
            code="table.not_csv",
            line=reader.line_num,
        ) from None


def _workbook_lines(data: bytes) -> Iterator[Line]:
    """The first sheet. Formulas give the value they had when the workbook was saved."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            sizes = [part.file_size for part in parts.infolist()]
        if len(sizes) > _MAX_PARTS or sum(sizes) > _MAX_UNPACKED:
            raise Invalid(
                "the workbook is far larger than it looks: keep one sheet and only the table in it",
                code="table.bomb",
            )
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            sheets = book.worksheets
            if not sheets:
                raise Invalid("the workbook has no sheet", code="table.empty")
            sheet = sheets[0]
            sheet.reset_dimensions()  # what the file says of its own size may be wrong
            for number, row in enumerate(sheet.iter_rows(max_col=MAX_CELLS), 1):
                yield number, [_text(cell) for cell in row]
        finally:
            book.close()
    except (InvalidFileException, *_BROKEN) as error:
        raise Invalid(
            f"the workbook cannot be read ({type(error).__name__}): save it again as .xlsx",
            code="table.not_excel",
        ) from None


# What openpyxl, beside its own error, and what it stands on raise for bytes that are no workbook.
_BROKEN = (
    zipfile.BadZipFile,
    ParseError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    UnicodeError,
    OSError,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
)


def _text(cell: Cell | MergedCell) -> str:
    """A cell as it reads: whole numbers without a point, with the zeros its format asks for."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "x" if value else ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int):
        form = str(cell.number_format)
        return str(value).zfill(len(form)) if form and not form.strip("0") else str(value)
    return str(value)
