"""What a part of the lab has shown: a row each, with its evidence, so that it can be gone on with."""

from __future__ import annotations

import json
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".lab/results"
LOOKED_AT = ("agent", "wire", "tests/lab/vm")  # what a row is about, unless its part says otherwise


class NotShown(AssertionError):
    """A row did not show what it should; the text says what was seen instead."""


@dataclass
class Row:
    """One thing shown or not. `said` is what was seen, `evidence` names files in the part's folder."""

    name: str
    shown: bool = False
    said: str = ""
    evidence: list[str] = field(default_factory=list)
    took_s: float = 0
    at: str = ""
    tree: str = ""


class Report:
    """The rows of one part. What this same tree has shown before is not shown again, unless `again`."""

    def __init__(self, part: str, *, again: bool = False, looked_at: Sequence[str] = LOOKED_AT) -> None:
        self.part, self.folder = part, RESULTS / part
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self.folder / "rows.json"
        self.tree = _tree(looked_at)
        self.rows: dict[str, Row] = {}
        if self._file.exists() and not again:
            self.rows = {row["name"]: Row(**row) for row in json.loads(self._file.read_text())}

    def done(self, *names: str) -> bool:
        """True when all of these were shown by this tree."""
        return all((row := self.rows.get(name)) and row.shown and row.tree == self.tree for name in names)

    def show(self, name: str, what: Callable[[Evidence], str]) -> bool:
        """Try to show one thing; `what` gives what it saw, or raises. The part goes on either way."""
        if self.done(name):
            print(f"  kept   {name}", flush=True)
            return True
        row, began = Row(name, tree=self.tree), time.monotonic()
        evidence = Evidence(self.folder, row)
        try:
            row.said, row.shown = what(evidence), True
        except Exception as error:  # noqa: BLE001 - whatever went wrong is this row's result
            row.said = f"{type(error).__name__}: {error}"[:600]
            evidence.text("trace", traceback.format_exc())
        row.took_s, row.at = round(time.monotonic() - began, 1), f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
        self.rows[name] = row
        self._file.write_text(
            json.dumps([asdict(row) for row in self.rows.values()], ensure_ascii=False, indent=1)
        )
        print(f"  {'shown ' if row.shown else 'NOT   '} {name} ({row.took_s:.0f} s): {row.said}", flush=True)
        return row.shown

    def verdict(self, names: list[str]) -> bool:
        """Say in one line how the part went, and write its table."""
        missing = [name for name in names if not self.done(name)]
        self._write_table(names)
        state = "PASSED" if not missing else f"FAILED ({', '.join(missing)})"
        print(f"{self.part}: {len(names) - len(missing)} of {len(names)} shown: {state}", flush=True)
        return not missing

    def _write_table(self, names: list[str]) -> None:
        lines = ["| row | shown | what was seen | took | evidence |", "|---|---|---|---|---|"]
        for name in names:
            row = self.rows.get(name) or Row(name)
            said = row.said.replace("|", "/").replace("\n", " ")
            lines.append(
                f"| {name} | {'yes' if row.shown else '**no**'} | {said} | {row.took_s:.0f} s |"
                f" {', '.join(row.evidence)} |"
            )
        head = f"Part `{self.part}`, tree {self.tree}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        (self.folder / "table.md").write_text(head + "\n".join(lines) + "\n")


class Evidence:
    """Files that belong to a row."""

    def __init__(self, folder: Path, row: Row) -> None:
        self._folder, self._row = folder, row

    def path(self, name: str) -> Path:
        """Where a file of this row goes."""
        stem = "".join(letter if letter.isalnum() else "-" for letter in self._row.name)
        file = f"{stem}.{name}"
        if file not in self._row.evidence:
            self._row.evidence.append(file)
        return self._folder / file

    def share(self, file: str) -> Path:
        """A file that other rows have, too."""
        if file not in self._row.evidence:
            self._row.evidence.append(file)
        return self._folder / file

    def text(self, name: str, text: str) -> None:
        self.path(f"{name}.txt").write_text(text)

    def json(self, name: str, document: object) -> None:
        self.path(f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1))


def _tree(looked_at: Sequence[str]) -> str:
    """Which tree this is: the last commit that changed these paths, marked when files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments, "--", *looked_at]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("log", "-1", "--format=%h") + ("+" if changed else "")
