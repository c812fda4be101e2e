"""Takes pictures of pages at phone and desk width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

# Points as the page counts them, and how many of the picture's are one of them.
SIZES = {"desk": (1366, 768, 1), "phone": (360, 740, 2), "wall": (3840, 2160, 1)}
SETTLED_MS = 700
PERSON = {"name": "nghia", "display_name": "Nguyễn Hữu Nghĩa", "role": "administrator"}


class Camera:
    """Windows of one office, one per size; pictures go to `folder` as `page-<name>-<size>.png`."""

    def __init__(self, browser: Browser, url: str, token: str, folder: Path) -> None:
        self._browser, self._url, self._token, self._folder = browser, url, token, folder
        self._contexts: list[BrowserContext] = []
        self._pages: dict[str, Page] = {}

    def page(self, size: str) -> Page:
        """The window of that size, its holder logged in."""
        if size not in self._pages:
            page = self._pages[size] = self._window(size)
            page.goto(f"{self._url}/?token={self._token}")
        return self._pages[size]

    def stranger(self, size: str) -> Page:
        """A window in which nobody is logged in."""
        if f"{size}-stranger" not in self._pages:
            self._pages[f"{size}-stranger"] = self._window(size)
        return self._pages[f"{size}-stranger"]

    def _window(self, size: str) -> Page:
        width, height, scale = SIZES[size]
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            ignore_https_errors=True,
            locale="vi-VN",
        )
        self._contexts.append(context)
        return context.new_page()

    def take(
        self, name: str, path: str, *sizes: str, stranger: bool = False, anchor: str = "", whole: bool = False
    ) -> None:
        """Pictures of one address; `anchor` is scrolled to, `whole` takes what is below the window, too."""
        for size in sizes or ("desk", "phone"):
            page = self.stranger(size) if stranger else self.page(size)
            page.goto(self._url + path)
            if anchor:
                page.locator(anchor).first.evaluate("element => element.scrollIntoView()")
            self.shoot(page, f"{name}-{size}", whole=whole)

    def shoot(self, page: Page, name: str, *, whole: bool = False) -> None:
        """A picture of a page as it stands."""
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=self._folder / f"page-{name}.png", full_page=whole)

    def close(self) -> None:
        """Shut every window."""
        for context in self._contexts:
            context.close()


@contextmanager
def camera(browser: Browser, url: str, token: str, folder: Path) -> Iterator[Camera]:
    """A camera for the office at `url`, until the block ends."""
    made = Camera(browser, url, token, folder)
    yield made
    made.close()
