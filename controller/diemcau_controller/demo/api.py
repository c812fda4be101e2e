"""The controller's JSON API, as the demonstration uses it."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import httpx

from ..config import StateDir


class ApiFailed(RuntimeError):
    """The controller did not answer, or refused; the text says why."""


class Api:
    """`url` is the controller's base address; certificate and token are read from its state folder."""

    def __init__(self, url: str, state: StateDir) -> None:
        self.url, self._state = url, state
        self._http: httpx.Client | None = None

    def ready(self) -> bool:
        """True when the controller answers and has reached broker and Janus."""
        try:
            health = self.get("/healthz")
        except ApiFailed:
            return False
        return bool(health["mqtt"] and health["janus"])

    def get(self, path: str, **query: str | int) -> Any:
        """GET; gives the document. Raises :class:`ApiFailed`."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, document: dict[str, Any] | None = None) -> Any:
        """POST; gives the answer. Raises :class:`ApiFailed`."""
        return self._ask("POST", path, json=document)

    def patch(self, path: str, document: dict[str, Any]) -> Any:
        """PATCH; gives the answer. Raises :class:`ApiFailed`."""
        return self._ask("PATCH", path, json=document)

    def close(self) -> None:
        """Hang up."""
        if self._http is not None:
            self._http.close()

    @property
    def token(self) -> str:
        """The local administrator's token."""
        return self._state.local_token.read_text().strip()

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._client().request(method, path, **more)
        except (httpx.HTTPError, OSError) as error:
            raise ApiFailed(f"the controller does not answer: {error}") from None
        if answer.is_error:
            raise ApiFailed(
                f"the controller refused {method} {path} ({answer.status_code}): {_detail(answer)}"
            )
        return answer.json() if answer.content else None

    def _client(self) -> httpx.Client:
        """The client, once the controller has written what we need to trust it and to be trusted."""
        if self._http is None:
            certificate: Path = self._state.ca_certificate
            context = ssl.create_default_context(cafile=str(certificate))
            headers = {"Authorization": f"Bearer {self.token}"}
            self._http = httpx.Client(
                base_url=self.url, verify=context, headers=headers, timeout=10, trust_env=False
            )
        return self._http


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return answer.text[:200]
