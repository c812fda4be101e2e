"""The built part of the page: script, style, fonts and icons, as `tools/web-assets.sh` made them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
BUILT = STATIC / "built"


class NotBuilt(RuntimeError):
    """The page's files were not built, or not with this one."""


def asset(name: str) -> str:
    """The address of a built file: `app.js` → `/static/built/app-K3J2H1.js`. Its content never changes."""
    return f"/static/built/{_file_name(name)}"


def asset_text(name: str) -> str:
    """The content of a built file, for a page that stands alone."""
    return (BUILT / _file_name(name)).read_text(encoding="utf-8")


def _file_name(name: str) -> str:
    try:
        return _manifest()[name]
    except KeyError:
        raise NotBuilt(f"the page has no built file {name}: run tools/web-assets.sh") from None


@cache
def _manifest() -> dict[str, str]:
    try:
        names = json.loads((BUILT / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotBuilt("the page's files are not built: run tools/web-assets.sh") from None
    return {str(name): str(file) for name, file in names.items()}
