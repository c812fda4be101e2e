"""The technician takes his guide along on paper: one sheet, printed on both sides."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

from tests.browser.page_checks import chromium

GUIDE = Path(__file__).parents[2] / "docs/huong-dan/ky-thuat-vien.md"
# As any reader of Markdown prints it: nothing smaller than people read in a hall.
STYLE = """
@page { size: A4; margin: 14mm 15mm }
body { font: 10pt/1.35 "Noto Sans", sans-serif; margin: 0 }
h1 { font-size: 15pt; margin: 0 0 6pt } h2 { font-size: 11.5pt; margin: 9pt 0 3pt }
p, ul, ol { margin: 3pt 0 } img { max-width: 100% }
table { border-collapse: collapse; width: 100% } tr { break-inside: avoid }
th, td { border: 0.5pt solid #888; padding: 1.5pt 4pt; text-align: left }
"""


def test_the_technicians_guide_is_two_pages(tmp_path: Path) -> None:
    text = MarkdownIt("commonmark").enable("table").render(GUIDE.read_text(encoding="utf-8"))
    sheet = tmp_path / "guide.html"
    head = f'<meta charset="utf-8"><base href="{GUIDE.parent.as_uri()}/"><style>{STYLE}</style>'
    sheet.write_text(
        f'<!doctype html><html lang="vi"><head>{head}</head><body>{text}</body></html>', encoding="utf-8"
    )
    with chromium() as browser:
        page = browser.new_page()
        page.goto(sheet.as_uri(), wait_until="load")
        shown = page.evaluate("[...document.images].map(image => image.naturalWidth > 0)")
        assert shown and all(shown), "a picture is missing"
        printed = page.pdf(path=tmp_path / "guide.pdf", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2
