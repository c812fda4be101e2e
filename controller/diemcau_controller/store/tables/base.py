"""What every table shares. Two files: `Base` in controller.sqlite, `HealthBase` in health.sqlite.

Every time is an aware UTC datetime. Documents (`Json`) hold wire messages as they travelled.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

Json = dict[str, Any]


class Utc(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC. A naive one is refused: nobody knows what it means."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Utc,
        Json: JSON,
        list[str]: JSON,
        list[Json]: JSON,
        str: String,
    }


class HealthBase(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Utc, Json: JSON, str: String}
