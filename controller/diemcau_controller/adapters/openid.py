"""The other system people have accounts with, by OpenID Connect (Core 1.0, Discovery 1.0; PKCE: RFC 7636).

What it says is believed only as far as it is signed: with a key of its key set, by the issuer, for us, for
the question we asked.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_PATIENCE_S = 10.0
_LEEWAY_S = 120
_MOST_BYTES = 1_000_000
_DISCOVERY = "/.well-known/openid-configuration"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

Claims = dict[str, Any]


class ProviderAway(OSError):
    """The other system does not answer, or not with what the standard wants. The text is for the log."""


class ProviderRefused(ValueError):
    """The other system, or what it says of somebody, does not hold. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One issuer, and we as its client; `secret` "" for a public client."""

    issuer: str
    client_id: str
    secret: str
    back: str

    async def way_there(self, *, scope: str, state: str, nonce: str, verifier: str) -> str:
        """The address to which the browser is sent. Raises :class:`ProviderAway`."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        async with _client() as http:
            about = await self._about(http)
        return str(
            prepare_grant_uri(
                about["authorization_endpoint"],
                self.client_id,
                "code",
                self.back,
                scope,
                state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        )

    async def who(self, code: str, *, nonce: str, verifier: str, wanted: set[str], now: datetime) -> Claims:
        """Who has logged in there: the claims of the ID token, with those of userinfo where `wanted` ones are
        missing. Raises :class:`ProviderAway` and :class:`ProviderRefused`."""
        async with _client() as http:
            about = await self._about(http)
            tokens = await self._tokens(http, about, code, verifier)
            keys = await _document(http, "GET", about["jwks_uri"])
            claims = self._checked(str(tokens.get("id_token", "")), keys, tokens, nonce, now)
            if not wanted <= claims.keys() and about.get("userinfo_endpoint") and tokens.get("access_token"):
                bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
                further = await _document(http, "GET", str(about["userinfo_endpoint"]), headers=bearer)
                if further.get("sub") != claims["sub"]:
                    raise ProviderRefused("userinfo is about somebody else than the ID token")
                claims = {**further, **claims}
        return claims

    async def _about(self, http: httpx.AsyncClient) -> Claims:
        about = await _document(http, "GET", self.issuer + _DISCOVERY)
        if about.get("issuer") != self.issuer:
            raise ProviderAway(f"{self.issuer} calls itself {str(about.get('issuer'))[:200]}")
        for name in _ENDPOINTS:
            if not str(about.get(name, "")).startswith(self.issuer.partition(":")[0] + "://"):
                raise ProviderAway(f"{self.issuer} names no {name}")
        return about

    async def _tokens(self, http: httpx.AsyncClient, about: Claims, code: str, verifier: str) -> Claims:
        import httpx

        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.back,
            "code_verifier": verifier,
        }
        known = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self.secret and "client_secret_basic" in known:
            auth = httpx.BasicAuth(self.client_id, self.secret)
            return await _document(http, "POST", about["token_endpoint"], data=sent, auth=auth)
        sent["client_id"] = self.client_id
        if self.secret:
            sent["client_secret"] = self.secret
        return await _document(http, "POST", about["token_endpoint"], data=sent)

    def _checked(self, token: str, keys: Claims, tokens: Claims, nonce: str, now: datetime) -> Claims:
        """The claims of an ID token that is good for us. Raises :class:`ProviderRefused`."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        try:
            decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self.client_id},
                },
                {"nonce": nonce, "client_id": self.client_id, "access_token": tokens.get("access_token", "")},
            )
            claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderRefused(f"the ID token does not hold: {error}") from None
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise ProviderRefused("the ID token names nobody")
        return dict(claims)


def _client() -> httpx.AsyncClient:
    import httpx

    # The machine's own trust store: an isolated network's authority is installed there.
    return httpx.AsyncClient(timeout=_PATIENCE_S, verify=ssl.create_default_context())


async def _document(http: httpx.AsyncClient, method: str, url: str, **more: Any) -> Claims:
    import httpx

    try:
        answer = await http.request(method, url, **more)
        if answer.status_code in (400, 401, 403):
            raise ProviderRefused(f"{url} refuses: {answer.text[:200]}")
        answer.raise_for_status()
        document = answer.json() if len(answer.content) <= _MOST_BYTES else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        if isinstance(error, ProviderRefused):
            raise
        raise ProviderAway(f"{url}: {error}") from None
    if not isinstance(document, dict):
        raise ProviderAway(f"{url} gives no JSON object")
    return document
