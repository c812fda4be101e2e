"""The JSON file of a fake device: read again whenever it has changed, changed as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

_Effects = TypeVar("_Effects")


def read_setting(path: str, kind: type[_Effects]) -> _Effects:
    """The effects a file says, those it does not say as `kind` has them. Raises OSError for garbage, too."""
    try:
        return kind(**json.loads(Path(path).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise OSError(f"{path}: {error}") from error


def change_setting(path: str, **effects: object) -> None:
    """Change some effects, in one step. Raises OSError for garbage, too."""
    file = Path(path)
    try:
        values = {**json.loads(file.read_text(encoding="utf-8")), **effects}
    except (ValueError, TypeError) as error:
        raise OSError(f"{path}: {error}") from error
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(json.dumps(values), encoding="utf-8")
    draft.replace(file)
