"""The id of something new: as somebody gave it, or made from its name."""

from __future__ import annotations

from ..rules.naming import slug
from ..rules.refusals import Invalid


def new_id(given: str | None, name: str) -> str:
    """The id. Raises :class:`Invalid` for a name of which none can be made."""
    made = given or slug(name)
    if not made:
        raise Invalid(
            "no id can be made from that name: give an id of letters a-z and digits",
            code="sites.id_needed",
            field="id",
        )
    return made
