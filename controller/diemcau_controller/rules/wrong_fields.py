"""What is wrong with a field, as a sentence for whoever filled it in: from pydantic's errors."""

from __future__ import annotations

from pydantic_core import ErrorDetails

_SENTENCES = {
    "dict_type": "give a JSON object",
    "model_attributes_type": "give a JSON object",
    "missing": "it is missing: give it",
    "extra_forbidden": "nobody knows this: leave it out",
    "string_too_short": "it is empty: give at least {min_length} character",
    "string_too_long": "it is longer than {max_length} characters: shorten it",
    "string_pattern_mismatch": "write letters a-z, digits and hyphens only, such as ea-kiet",
    "string_unicode": "it is not Unicode: type it again",
    "json_invalid": "this is not JSON: {error}",
}


def sentence(error: ErrorDetails) -> str:
    """The text for one error, without the field's name."""
    text = _SENTENCES.get(error["type"])
    if text is None:
        return error["msg"].removeprefix("Value error, ")
    return text.format(**error.get("ctx", {}))
