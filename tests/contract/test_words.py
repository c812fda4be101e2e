"""The words of the pages: both languages say the same, what is asked for exists, nothing is unused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from diemcau_agent.checks import FAULTS
from diemcau_agent.remedies import REMEDIES
from diemcau_controller.web.words import LANGUAGES, LOCALE, domains, keys

PACKAGE = LOCALE.parents[1]
ASKED = re.compile(r"""\bwords(?:\.n|\.has)?\(\s*(["'])([a-z_]+\.[\w.-]+)\1\s*[,)]""")
# words("state." ~ x), words(f"state.{x}"), words.known("state", x): any key of that beginning is asked for.
COMPUTED = (
    re.compile(r"""["']([a-z_]+\.[\w.-]*)["']\s*~"""),
    re.compile(r"""f["']([a-z_]+\.[\w.-]*)\{"""),
    re.compile(r"""\.known\(\s*["']([a-z_]+)["']"""),
)
REFUSED = re.compile(r"""\bcode\s*=\s*["']([\w.-]+)["']""")


def sources() -> Iterator[Path]:
    yield from PACKAGE.rglob("*.py")
    yield from (PACKAGE / "web" / "templates").rglob("*.html")


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def messages(language: str, domain: str) -> dict[str, Message]:
    with (LOCALE / language / f"{domain}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    return {one.id if isinstance(one.id, str) else one.id[0]: one for one in catalogue if one.id}


def texts(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def placeholders(message: Message) -> list[set[str]]:
    return [set(re.findall(r"\{(\w*)\}", text)) for text in texts(message)]


ALL = [(language, domain) for language in LANGUAGES for domain in domains(language)]
EVERY_KEY = {key for domain in domains("vi") for key in keys("vi", domain)}


@pytest.mark.parametrize("domain", sorted({domain for _, domain in ALL}))
def test_both_languages_have_the_same_keys_and_placeholders(domain: str) -> None:
    vi, en = (messages(language, domain) for language in ("vi", "en"))
    assert vi.keys() == en.keys(), f"only in one language: {sorted(vi.keys() ^ en.keys())}"
    for key in vi:
        filled = placeholders(vi[key])[-1]
        assert all(one <= filled | {"n"} for one in placeholders(en[key])), key
        assert placeholders(en[key])[-1] == filled, key
        assert isinstance(vi[key].id, str) == isinstance(en[key].id, str), (
            f"{key} is a plural in one language only"
        )


@pytest.mark.parametrize(("language", "domain"), ALL)
def test_every_text_is_said_and_composed(language: str, domain: str) -> None:
    forms = 1 if language == "vi" else 2
    ids = list(messages(language, domain))
    assert ids == sorted(ids), "keep the keys sorted"
    for key, message in messages(language, domain).items():
        assert key.partition(".")[0] == domain, f"{key} belongs into {key.partition('.')[0]}.po"
        assert all(text.strip() for text in texts(message)), f"{key} says nothing"
        assert all(text == unicodedata.normalize("NFC", text) for text in texts(message)), f"{key} is not NFC"
        if not isinstance(message.id, str):
            assert len(texts(message)) == forms and message.id == (key, key), f"{key}: wrong plural forms"


def test_what_is_asked_for_exists() -> None:
    unknown = {
        f"{path.relative_to(PACKAGE)}: {key}"
        for path in sources()
        for _, key in ASKED.findall(source(path))
        if key not in EVERY_KEY
    }
    unknown |= {
        f"{path.relative_to(PACKAGE)}: refusal.{code}"
        for path in sources()
        for code in REFUSED.findall(source(path))
        if f"refusal.{code}" not in EVERY_KEY
    }
    assert not unknown, "\n".join(sorted(unknown))


def test_every_fault_and_remedy_of_a_unit_has_its_words() -> None:
    wanted = {f"{domain}.{what}" for what in FAULTS for domain in ("fault", "instruction")}
    wanted |= {f"remedy.{name}" for name in REMEDIES}
    assert wanted - EVERY_KEY == set()


def test_nothing_lies_about_unused() -> None:
    everything = "\n".join(source(path) for path in sources())
    begun = tuple({match for pattern in COMPUTED for match in pattern.findall(everything)} | {"refusal."})
    unused = {
        key
        for key in EVERY_KEY
        if not key.startswith(begun) and f'"{key}"' not in everything and f"'{key}'" not in everything
    }
    assert not unused, "\n".join(sorted(unused))
