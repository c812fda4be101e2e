"""The command line's way to the running controller, and the options every command has."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..config import StateDir, zone_named

if TYPE_CHECKING:
    import httpx

StateDirOption = Annotated[
    Path,
    typer.Option(
        "--state-dir", envvar="DIEMCAU_STATE_DIR", help="Folder of the controller's state.", file_okay=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_STATE_DIR = Path("/var/lib/diemcau")

_PATIENCE_S = 30.0


class Failed(Exception):
    """The command could not do what was asked; the text says why and what to do."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Api:
    """The controller's API, as the local administrator."""

    def __init__(self, client: httpx.Client, contact: dict[str, Any]) -> None:
        self._client, self.contact = client, contact

    def local(self, text: str | None) -> str:
        """A moment as text in the coordinator's time, for people."""
        if not text:
            return "–"
        zone = zone_named(str(self.contact.get("timezone", "UTC")))
        return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M:%S}"

    def get(self, path: str, **params: Any) -> Any:
        return self.ask("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", path, json={} if body is None else body)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """One request under /api/v1 (or an absolute path); gives the JSON of the answer."""
        answer = self._answer(method, path, **more)
        return answer.json() if answer.content else None

    def download(self, path: str) -> bytes:
        """The bytes of a file."""
        return self._answer("GET", path).content

    def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        import httpx

        url = path if path.startswith("/") else f"/api/v1/{path}"
        try:
            answer = self._client.request(method, url, **more)
        except httpx.HTTPError as error:
            raise Failed(f"the controller does not answer ({error}): is `diemcau serve` running?") from None
        except UnicodeEncodeError:
            raise Failed(
                "an argument is not UTF-8: type it again, in a terminal with a UTF-8 locale"
            ) from None
        if answer.is_success:
            return answer
        raise Failed(_detail(answer))

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[str]]:
        """Lines of a stream that does not end by itself."""
        import httpx

        try:
            with self._client.stream("GET", f"/api/v1/{path}", timeout=_PATIENCE_S) as answer:
                if not answer.is_success:
                    answer.read()
                    raise Failed(_detail(answer))
                yield answer.iter_lines()
        except httpx.HTTPError as error:
            raise Failed(f"the controller went away ({error}): run the command again") from None


@contextmanager
def controller(state_dir: Path) -> Iterator[Api]:
    """The controller of a state folder. Raises :class:`Failed` when none runs there."""
    import httpx

    state = StateDir(state_dir)
    try:
        contact = read_contact(state)
        token = state.local_token.read_text().strip()
        tls = ssl.create_default_context(cafile=str(state.ca_certificate))
    except PermissionError as error:
        raise Failed(f"{error.filename} cannot be read: run this as the user of the controller") from None
    except (OSError, ValueError):
        raise Failed(
            f"no controller has run in {state_dir}: start `diemcau serve --state-dir {state_dir}`, "
            "or name its folder with --state-dir"
        ) from None
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=contact["url"], verify=tls, headers=headers, timeout=_PATIENCE_S, trust_env=False
    ) as client:
        yield Api(client, contact)


def read_contact(state: StateDir) -> dict[str, Any]:
    """What the controller wrote for programs on this machine. Raises OSError or ValueError."""
    contact = json.loads(state.contact.read_text())
    if not isinstance(contact, dict) or not {"url", "mqtt_host", "mqtt_port"} <= contact.keys():
        raise ValueError(f"{state.contact} is not what a controller writes")
    return contact


def _detail(answer: httpx.Response) -> str:
    if answer.status_code == 413:
        return "that is more than 4 MB: split it and send the parts"
    try:
        body = answer.json()
    except ValueError:
        return f"the controller answers {answer.status_code}"
    lines = [str(body.get("detail", f"the controller answers {answer.status_code}"))]
    for error in body.get("errors", []):
        if "line" in error:
            lines.append(f"  line {error['line']}: {error['text']}")
    return "\n".join(lines)
