"""Give out the sites as the table that :mod:`import_sites` reads."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.table_file import write_workbook
from ..rules.actor import Actor, Role
from ..rules.csv_table import csv_table
from ..rules.naming import plain
from ..rules.site_table import TEMPLATE, table_of
from ..rules.sources import masked_all
from ..store.tables import Site
from .change_area import tree_of
from .site_spec import site_settings

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def sites_table(session: Session, who: Actor) -> list[list[str]]:
    """Heading and lines: every site in scope, by area and name; passwords for who may set them only."""
    tree = tree_of(session)
    paths = {area: tree.path_text(area) for area in tree.nodes}
    sites = [
        {**site_settings(site), "id": site.id, "area": paths.get(site.area_id or "", "")}
        for site in session.scalars(select(Site).where(Site.removed_at.is_(None)))
        if who.sees(site.id)
    ]
    if not who.may(Role.OPERATOR):
        sites = [masked_all(site) for site in sites]
    return table_of(sorted(sites, key=lambda site: (plain(site["area"]), plain(site["name"]))))


def template_table() -> list[list[str]]:
    """The table to fill in: the headings, and lines that show how."""
    return [list(line) for line in TEMPLATE]


def table_as(form: str, table: list[list[str]]) -> bytes:
    """The bytes of a table as `csv` (with a byte-order mark, so that Excel shows Vietnamese) or `xlsx`."""
    if form == "xlsx":
        return write_workbook(table, "Điểm cầu")
    return csv_table(table[0], table[1:]).encode()
