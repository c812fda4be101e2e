"""The form of a site, new or known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from diemcau_wire.messages import Screen, Video
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.add_site import add_site, change_site
from ..actions.change_area import tree_of
from ..actions.controller import Controller
from ..actions.scope import site_for
from ..actions.site_spec import SiteChange, SiteSpec, site_settings
from ..actions.site_versions import SiteChangedMeanwhile, changes_since, settings_before, version_of
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.areas import Tree
from ..rules.naming import plain
from ..rules.refusals import Refusal
from ..rules.wrong_site import wrong_of
from .access import OperatorPage
from .form import Form, form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .site_meanwhile import merged, told, version_in
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/sites")

Spec = TypeVar("Spec", SiteSpec, SiteChange)

_CONTACT = ("name", "phone", "task")
_CONTACTS = 8
_SUGGESTED = 400  # so many areas at most are offered while one types
_UPKEEP = ("ssh_address", "neighbour")
_TEXTS = ("name", "id", "area", "language", *_UPKEEP, "version")
_NUMBERS = ("width", "height", "fps", "kbit", "screen_width", "screen_height")


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the fields: everything as text."""

    texts: dict[str, str]
    is_centre: bool
    contacts: list[dict[str, str]]


@router.get("/new")
def new(request: Request, core: Core, who: OperatorPage, area: str = "") -> Response:
    """An empty form, for a site in that area."""
    with core.database.read() as session:
        tree = tree_of(session)
    language = core.settings.language
    texts = {"language": language, "area": tree.path_text(area) if area in tree.nodes else ""}
    typed = Typed({**texts, **_usual()}, False, [])
    return _page(request, core, who, None, typed, {})


@router.post("/new")
async def post_new(request: Request, core: Core, who: OperatorPage) -> Response:
    """Add the site; on to it."""
    sent, words = await form(request), words_of(request)
    tree = await run_in_threadpool(_tree, core)
    fields, wrong = _fields(sent, tree, who, words)
    if sent["id"]:
        fields["id"] = sent["id"]
    try:
        spec = _model(SiteSpec, fields, wrong, words)
        if spec is not None:
            site = await add_site(core, who, spec)
            return redirect(f"/sites/{site}", words("sites.added", name=spec.name))
    except Refusal as error:
        wrong |= mistakes(words, error)
    return await run_in_threadpool(_page, request, core, who, None, _typed(sent), wrong, 422)


@router.get("/{site}/edit")
def edit(request: Request, core: Core, who: OperatorPage, site: str) -> Response:
    """The form with what is known."""
    with core.database.read() as session:
        known, tree = site_settings(site_for(session, who, site)), tree_of(session)
        version = version_of(session, site)
    return _page(request, core, who, site, _stored(known, tree, version), {})


@router.post("/{site}/edit")
async def post_edit(request: Request, core: Core, who: OperatorPage, site: str) -> Response:
    """Change it; back to the site."""
    sent, words = await form(request), words_of(request)
    tree = await run_in_threadpool(_tree, core)
    await run_in_threadpool(_there, core, who, site)
    fields, wrong = _fields(sent, tree, who, words)
    try:
        change = _model(SiteChange, fields, wrong, words)
        if change is not None:
            await change_site(core, who, site, change, version_in(sent))
            return redirect(f"/sites/{site}", words("sites.changed"))
    except SiteChangedMeanwhile as error:
        return await run_in_threadpool(_meanwhile, request, core, who, site, sent, mistakes(words, error))
    except Refusal as error:
        wrong |= mistakes(words, error)
    return await run_in_threadpool(_page, request, core, who, site, _typed(sent), wrong, 422)


@router.get("/area-names")
def area_names(request: Request, core: Core, who: OperatorPage, area: str = "", parent: str = "") -> Response:
    """Areas that what is being typed may mean, as options."""
    names = area_names_of(_tree(core), who, (area or parent)[:200])
    return render(request, "sites/_area_names.html", names=names)


def area_of(tree: Tree, written: str) -> str | None:
    """The id of the area meant by what somebody wrote. Raises :class:`AreaUnclear`."""
    if not written:
        return None
    found = tree.find(written)
    if len(found) == 1:
        return found[0]
    paths = "; ".join(tree.path_text(area) for area in found[:3])
    raise AreaUnclear(written[:80], paths)


class AreaUnclear(ValueError):
    """No area, or several, may be meant."""

    def __init__(self, written: str, paths: str) -> None:
        super().__init__(written)
        self.written, self.paths = written, paths

    def said(self, words: Words) -> str:
        if self.paths:
            return words("refusal.areas.ambiguous", area=self.written, paths=self.paths)
        return words("refusal.areas.not_known", area=self.written)


def wrong_fields(words: Words, error: ValidationError) -> Mistakes:
    """The sentences for the wrong fields of a site, an area or a group."""
    found: Mistakes = {}
    for one in error.errors():
        wrong = wrong_of(one)
        steps = [str(step) for step in one["loc"]]
        name = f"contacts.{steps[1]}" if wrong.field == "contacts" and len(steps) > 1 else wrong.field
        found.setdefault(name, words(f"refusal.{wrong.code}", **wrong.values))
    return found


def _model(model: type[Spec], fields: dict[str, Any], wrong: Mistakes, words: Words) -> Spec | None:
    """The fields checked; None when something is wrong, which then stands in `wrong`."""
    try:
        made = model.model_validate(fields)
    except ValidationError as error:
        for name, text in wrong_fields(words, error).items():
            wrong.setdefault(name, text)
        return None
    return None if wrong else made


def _fields(sent: Form, tree: Tree, who: Actor, words: Words) -> tuple[dict[str, Any], Mistakes]:
    """The fields of a site as the API has them, and what cannot even be tried."""
    wrong: Mistakes = {}
    fields: dict[str, Any] = {"name": sent["name"], "is_centre": "is_centre" in sent}
    try:
        fields["area"] = area_of(tree, sent["area"])
    except AreaUnclear as error:
        wrong["area"] = error.said(words)
    rows = _typed(sent).contacts
    fields["contacts"] = [one for one in rows if any(one.values())]
    fields |= {key: sent[key] or None for key in _UPKEEP}
    if sent["language"]:
        fields["language"] = sent["language"]
    numbers: dict[str, int] = {}
    for key in _NUMBERS:
        if not sent[key].isdecimal() or len(sent[key]) > 6:
            wrong[key] = words("refusal.field_int")
        else:
            numbers[key] = int(sent[key])
    if len(numbers) == len(_NUMBERS):
        size = {"width": numbers["width"], "height": numbers["height"], "fps": numbers["fps"]}
        fields["video"] = {**size, "bitrate_bps": numbers["kbit"] * 1000}
        fields["screen"] = {"width": numbers["screen_width"], "height": numbers["screen_height"]}
    return fields, wrong


def _stored(known: dict[str, Any], tree: Tree, version: int) -> Typed:
    """The form as the settings have it."""
    texts = {key: str(known[key]) for key in ("name", "language")} | {"version": str(version)}
    texts |= {key: known[key] or "" for key in _UPKEEP}
    texts["area"] = tree.path_text(known["area"]) if known["area"] in tree.nodes else ""
    contacts = [{key: str(one.get(key, "")) for key in _CONTACT} for one in known["contacts"]]
    return Typed(texts | _numbers(known["video"], known["screen"]), known["is_centre"], contacts)


def _meanwhile(
    request: Request, core: Controller, who: Actor, site: str, sent: Form, wrong: Mistakes
) -> Response:
    """The form with what was typed, and where nothing was typed what somebody else wrote; from there on."""
    typed = _typed(sent)
    with core.database.read() as session:
        known, tree = site_settings(site_for(session, who, site)), tree_of(session)
        changes = changes_since(session, site, version_in(sent) or 0)
        present = _stored(known, tree, version_of(session, site))
        before = _stored(settings_before(known, changes), tree, version_in(sent) or 0)
        both = Typed(
            merged(typed.texts, before.texts, present.texts),
            present.is_centre if typed.is_centre == before.is_centre else typed.is_centre,
            present.contacts if typed.contacts == before.contacts else typed.contacts,
        )
        others = told(core, session, changes, words_of(request))
    return _page(request, core, who, site, both, wrong, 409, others)


def _typed(sent: Form) -> Typed:
    """What was sent, to be shown once more."""
    columns = [sent.numbered(f"contact_{part}") for part in _CONTACT]
    rows = [dict(zip(_CONTACT, row, strict=True)) for row in zip(*columns, strict=False)]
    return Typed(sent.values, "is_centre" in sent, [row for row in rows if any(row.values())])


def _usual() -> dict[str, str]:
    return _numbers(Video().model_dump(), Screen().model_dump())


def _numbers(video: dict[str, int], screen: dict[str, int]) -> dict[str, str]:
    numbers = {
        "width": video["width"],
        "height": video["height"],
        "fps": video["fps"],
        "kbit": video["bitrate_bps"] // 1000,
        "screen_width": screen["width"],
        "screen_height": screen["height"],
    }
    return {name: str(number) for name, number in numbers.items()}


def _tree(core: Controller) -> Tree:
    with core.database.read() as session:
        return tree_of(session)


def area_names_of(tree: Tree, who: Actor, typed: str) -> list[str]:
    """Paths of areas in scope that have everything typed in them."""
    wanted = plain(typed).split()
    paths = (tree.path_text(node.id) for _, node in tree.walk() if who.holds(node.id))
    return list(islice((path for path in paths if all(word in plain(path) for word in wanted)), _SUGGESTED))


def _there(core: Controller, who: Actor, site: str) -> None:
    """Raise NotFound for a site that is not, or not this actor's, before anything is made of the form."""
    with core.database.read() as session:
        site_for(session, who, site)


def _page(
    request: Request,
    core: Controller,
    who: Actor,
    site: str | None,
    typed: Typed,
    wrong: Mistakes,
    status: int = 200,
    others: Sequence[dict[str, Any]] = (),
) -> Response:
    blank = dict.fromkeys(_CONTACT, "")
    rows = [*typed.contacts, *[blank] * (1 if typed.contacts else 2)][:_CONTACTS]
    device = {*_NUMBERS, "video", "screen"}
    return render(
        request,
        "sites/form.html",
        status,
        site=site,
        known=core.fleet.now().by_id.get(site) if site is not None else None,
        texts={**dict.fromkeys((*_TEXTS, *_NUMBERS), ""), **typed.texts},
        is_centre=typed.is_centre,
        contacts=rows,
        areas=area_names_of(_tree(core), who, ""),
        errors=wrong,
        others=others,
        device_wrong=bool(device & wrong.keys()),
        upkeep_open=any(typed.texts.get(key) or key in wrong for key in _UPKEEP),
    )
