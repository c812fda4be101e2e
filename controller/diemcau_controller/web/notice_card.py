"""A picture of what is wrong in a room, to be sent to a group: name, state, what to do, whom to call."""

from __future__ import annotations

import io
from datetime import datetime, tzinfo
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..actions.fleet import SiteNow
from ..rules.board import TONES
from ..store.tables import VERDICT
from .notice_text import instruction_of
from .words import Words

SIZE = (1080, 810)
_FONTS = Path("/usr/share/fonts/truetype/noto")
_EDGE = 64
_GROUND, _INK, _MUTED = "#ffffff", "#17222c", "#52606b"
_TONES = {"bad": "#b3261e", "care": "#855300", "good": "#1b7148", "live": "#1b5e8c", "none": "#52606b"}
Font = ImageFont.FreeTypeFont


def notice_card(site: SiteNow, zone: tzinfo, now: datetime, office: str, phone: str) -> bytes:
    """The picture as PNG, in Vietnamese. Takes some 50 ms: not for the event loop."""
    words = Words("vi", zone, now)
    tone = _TONES[TONES[site.state]]
    image = Image.new("RGB", SIZE, _GROUND)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE[0], 132), fill=tone)
    state = words(f"state.{site.state}")
    draw.text(
        (_EDGE, 66), f"{state[:1].upper()}{state[1:]}", font=_font("Bold", 56), fill="#fff", anchor="lm"
    )
    y = _written(draw, site.name, 168, _font("Bold", 60), _INK, most=2)
    checked = str(site.newest.get(VERDICT, {}).get("at", ""))
    if checked:
        text = words(
            "notice.checked", time=words.time(checked), day=f"{words.weekday(checked)} {words.date(checked)}"
        )
        y = _written(draw, text, y + 4, _font("Regular", 32), _MUTED, most=1)
    todo = instruction_of(site, words) if site.state in ("not_ready", "remark") else ""
    if todo:
        y = _written(draw, todo, y + 34, _font("Bold", 50), tone, most=4)
    y = max(y + 34, SIZE[1] - 190)
    for who, number in [*_contacts(site), (office, phone)][:2]:
        if number:
            text = words("notice.call", name=who, phone=number)
            y = _written(draw, text, y, _font("Bold", 42), _INK, most=1)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _contacts(site: SiteNow) -> list[tuple[str, str]]:
    known = [(str(one.get("name", "")), str(one.get("phone", ""))) for one in site.row.contacts]
    return [one for one in known if one[1]][:1]


def _written(draw: ImageDraw.ImageDraw, text: str, y: float, font: Font, fill: str, *, most: int) -> float:
    """Write a text in at most so many lines; one that is longer ends in …. Gives where it ends."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font) <= SIZE[0] - 2 * _EDGE:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} …"]
    for line in lines:
        while len(line) > 1 and draw.textlength(line, font) > SIZE[0] - 2 * _EDGE:
            line = f"{line[:-2]}…"
        draw.text((_EDGE, y), line, font=font, fill=fill)
        y += font.size * 1.42
    return y


def _font(weight: str, size: int) -> Font:
    return ImageFont.truetype(str(_FONTS / f"NotoSans-{weight}.ttf"), size)
