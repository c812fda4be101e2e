"""JSON Schema (draft 2020-12) of every channel, generated from the models."""

from __future__ import annotations

from typing import Any

from .messages import MODELS
from .topics import ROOT, VERSION


def schema() -> dict[str, Any]:
    """One document: for each topic pattern the schema of what it carries."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Điểm Cầu wire protocol, version 1",
        "channels": {
            f"{ROOT}/{VERSION}/<unit>/{channel.value}": model.model_json_schema()
            for channel, model in sorted(MODELS.items())
        },
    }
