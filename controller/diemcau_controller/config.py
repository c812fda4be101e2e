"""The controller's settings (one TOML file) and where its state lies (one folder).

Every setting has a default; the file may be absent. A file that is there but wrong is refused with one
sentence naming the place, and nothing is guessed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .rules.actor import Role

Port = Annotated[int, Field(ge=1, le=65535)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]


def _address(url: str) -> str:
    from .adapters.notify import shown_as  # loads much, and only who notifies needs it

    shown_as(url.replace("{phone}", "0900000000"))
    return url


Address = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_address)]


class ConfigError(ValueError):
    """The settings cannot be used; the text says what is wrong and where."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Web(_Section):
    """Where page and API are served over HTTPS."""

    host: Host = "0.0.0.0"
    port: Port = 8443


class Mqtt(_Section):
    """The broker, as the controller reaches it; units reach it at `public_address` on the same port."""

    host: Host = "127.0.0.1"
    port: Port = 8883


class Janus(_Section):
    """Where participants without a certificate, browsers for instance, reach Janus, at `public_address`."""

    port: Port = 8989


class Tunnel(_Section):
    """Where units dial in by SSH when work on them is due, at `public_address`."""

    port: Port = 8322


class Turn(_Section):
    """The TURN server at `public_address`, for browsers behind a strict NAT, and where the secret is that
    it shares with us: none, no server."""

    port: Port = 3478
    secret_file: Path | None = None


class Coordinator(_Section):
    """The office that runs the controller, as screens name it."""

    name: Annotated[str, Field(max_length=200)] = "Đơn vị quản trị hệ thống"
    phone: Annotated[str, Field(max_length=40)] = ""


class Notify(_Section):
    """Where faults of rooms are told: Apprise addresses, by area or else `urls`; `{phone}` in one stands for
    the number of the site's contact. Not told from `quiet_from` to `quiet_until` unless a meeting is near."""

    urls: tuple[Address, ...] = ()
    areas: dict[str, tuple[Address, ...]] = {}
    quiet_from: TimeOfDay = "21:00"
    quiet_until: TimeOfDay = "06:30"

    @property
    def addresses(self) -> bool:
        """True when anybody is told at all."""
        return bool(self.urls or self.areas)


def _recipient(text: str) -> str:
    from .adapters.age import recipient  # loads a library that only who encrypts needs

    return recipient(text)


Recipient = Annotated[str, Field(max_length=200), AfterValidator(_recipient)]


class Backup(_Section):
    """The nightly backup into `folder` ("": none is made), which only the keys of `recipients` open."""

    folder: Annotated[str, Field(max_length=1000, pattern=r"^(/.*)?$")] = ""
    recipients: tuple[Recipient, ...] = ()
    at: TimeOfDay = "01:30"
    keep: Annotated[int, Field(ge=1, le=1000)] = 14

    @model_validator(mode="after")
    def _for_somebody(self) -> Backup:
        if self.folder and not self.recipients:
            raise ValueError(
                "a backup needs recipients: `diemcau backup key FILE` makes a key and prints one"
            )
        return self


class Releases(_Section):
    """How units fetch their software: so many at once, each so fast, that a meeting keeps its line."""

    at_once: Annotated[int, Field(ge=1, le=1000)] = 20
    kbit_s: Annotated[int, Field(ge=16, le=1_000_000)] = 1000


class Security(_Section):
    """What approving, replacing and revoking a unit, and whatever lets somebody in, takes besides the log-in:
    with `required` a security key (WebAuthn)."""

    second_factor: Literal["off", "required"] = "off"


class Openid(_Section):
    """Log-in by an account of another system (OpenID Connect), where `issuer` is given.

    `roles` maps values of the claim `role_claim` to ours: the highest that fits is the user's at each log-in.
    Without it roles stay as they were given here. `add_users`: whoever has a role there is added here.
    """

    issuer: Annotated[str, Field(max_length=500, pattern=r"^(https?://.+[^/])?$")] = ""
    client_id: Annotated[str, Field(max_length=300)] = ""
    client_secret_file: Path | None = None
    label: Annotated[str, Field(max_length=80)] = ""
    scope: Annotated[str, Field(max_length=300)] = "openid profile"
    name_claim: Annotated[str, Field(min_length=1, max_length=100)] = "preferred_username"
    role_claim: Annotated[str, Field(min_length=1, max_length=100)] = "roles"
    roles: dict[Role, tuple[str, ...]] = {}
    add_users: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Openid:
        if self.issuer and not self.client_id:
            raise ValueError("an issuer needs a client_id: ask whoever runs it")
        if self.issuer.startswith("http://") and urlsplit(self.issuer).hostname not in (
            "127.0.0.1",
            "localhost",
        ):
            raise ValueError("the issuer must be reached by https://")
        if self.add_users and not self.roles:
            raise ValueError("add_users needs roles: it says who is let in as what")
        return self


class Fleet(_Section):
    """How many units a rollout works on at once, by Ansible: each takes up to 60 MB of this machine."""

    forks: Annotated[int, Field(ge=1, le=100)] = 10


class Settings(_Section):
    """All settings. Units of measure are in the names."""

    public_address: Host = "127.0.0.1"
    timezone: str = "Asia/Ho_Chi_Minh"
    language: Literal["vi", "en"] = "vi"
    health_interval_s: Annotated[float, Field(ge=1, le=3600)] = 10
    health_days: Annotated[int, Field(ge=1, le=3650)] = 7
    announce: bool = True
    history_days: Annotated[int, Field(ge=30, le=3650)] = 400
    web: Web = Web()
    mqtt: Mqtt = Mqtt()
    janus: Janus = Janus()
    tunnel: Tunnel = Tunnel()
    turn: Turn = Turn()
    coordinator: Coordinator = Coordinator()
    notify: Notify = Notify()
    backup: Backup = Backup()
    releases: Releases = Releases()
    security: Security = Security()
    openid: Openid = Openid()
    fleet: Fleet = Fleet()

    @model_validator(mode="after")
    def _keys_need_a_name(self) -> Settings:
        if self.security.second_factor == "required" and not self.has_name:
            raise ValueError(
                "security keys need a name in public_address, not a network address: browsers allow no other"
            )
        return self

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        zone_named(name)
        return name

    @property
    def zone(self) -> tzinfo:
        """The zone local times are meant in."""
        return zone_named(self.timezone)

    @property
    def web_url(self) -> str:
        """Base address of page and API for units and people, without a trailing slash."""
        return f"https://{_bracketed(self.public_address)}:{self.web.port}"

    @property
    def web_origin(self) -> str:
        """The same as browsers name it to a security key."""
        return self.web_url.removesuffix(":443")

    @property
    def has_name(self) -> bool:
        """True when `public_address` is a name and not a network address."""
        try:
            ip_address(self.public_address)
        except ValueError:
            return True
        return False

    @property
    def janus_url(self) -> str:
        """Janus's secure WebSocket, for units: it wants their certificate."""
        return f"wss://{_bracketed(self.public_address)}:{self.web.port}/janus"

    @property
    def turn_urls(self) -> list[str]:
        """The TURN server, as browsers name it."""
        host = _bracketed(self.public_address)
        return [f"turn:{host}:{self.turn.port}?transport={transport}" for transport in ("udp", "tcp")]

    @property
    def guest_url(self) -> str:
        """Janus's secure WebSocket, for who has no certificate: it wants a ticket."""
        return f"wss://{_bracketed(self.public_address)}:{self.janus.port}/janus"


def load(path: Path | None) -> Settings:
    """Settings from a TOML file, or the defaults for None. Raises :class:`ConfigError`."""
    if path is None:
        return Settings()
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the configuration {path} is not TOML: {error}") from None
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"the configuration {path} has a setting nobody knows: {field}") from None
        raise ConfigError(f"the configuration {path} has a wrong {field}: {first['msg']}") from None


@dataclass(frozen=True, slots=True)
class StateDir:
    """Names of everything in the controller's state folder."""

    root: Path

    def make(self) -> None:
        """Create the folders; `generated/` is for the owner only."""
        for folder in (
            self.generated,
            self.reports,
            self.pictures,
            self.incidents,
            self.attachments,
            self.logs,
        ):
            folder.mkdir(parents=True, exist_ok=True)
        self.generated.chmod(0o700)

    @property
    def database(self) -> Path:
        return self.root / "controller.sqlite"

    @property
    def health_database(self) -> Path:
        return self.root / "health.sqlite"

    @property
    def generated(self) -> Path:
        return self.root / "generated"

    @property
    def authority(self) -> Path:
        """Folder of the certificate authority."""
        return self.generated / "ca"

    @property
    def ca_certificate(self) -> Path:
        """The authority's certificate, written by the controller for the command line and for people."""
        return self.generated / "ca.crt"

    @property
    def local_token(self) -> Path:
        """Bearer token of the local administrator, readable by the owner only."""
        return self.generated / "local.token"

    @property
    def first_login(self) -> Path:
        """The link for the first administrator, until it is used."""
        return self.generated / "first-login"

    @property
    def releases(self) -> Path:
        """The TUF repository of releases; nginx serves its `metadata` and `targets`."""
        return self.root / "releases"

    @property
    def releases_key(self) -> Path:
        """The key that vouches every day for what is the newest of the releases."""
        return self.generated / "releases-online.key"

    @property
    def voucher_key(self) -> Path:
        """The key that seals papers for sites."""
        return self.generated / "voucher.key"

    @property
    def contact(self) -> Path:
        """How to reach the running controller: JSON {`url`, `mqtt_host`, `mqtt_port`, `timezone`}."""
        return self.generated / "controller.json"

    @property
    def janus_admin_key(self) -> Path:
        """The key that lets the controller create rooms, written by the launcher."""
        return self.generated / "janus-admin.key"

    @property
    def ticket_key(self) -> Path:
        """The key that seals tickets for participants without a certificate, written by the launcher."""
        return self.generated / "tickets.key"

    @property
    def web_socket(self) -> Path:
        """Where the controller serves nginx."""
        return self.run / "web.sock"

    @property
    def porter_socket(self) -> Path:
        """Where the porter serves nginx."""
        return self.run / "porter.sock"

    @property
    def janus_socket(self) -> Path:
        """Where Janus serves the porter and the controller."""
        return self.run / "janus.sock"

    @property
    def tunnel(self) -> Path:
        """What the server that units dial by SSH reads."""
        return self.generated / "tunnel"

    @property
    def kept_settings(self) -> Path:
        """The settings file as the controller last read it, for a backup."""
        return self.generated / "settings.toml"

    @property
    def kept_openid_secret(self) -> Path:
        """What lay at `openid.client_secret_file`, on a machine that was restored from a backup."""
        return self.generated / "openid-secret"

    @property
    def run(self) -> Path:
        """What lasts no longer than a process: locks, sockets, files in the making."""
        return self.root / "run"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def incidents(self) -> Path:
        """Files kept as evidence, each under its SHA-256."""
        return self.root / "incidents"

    @property
    def attachments(self) -> Path:
        """Documents of meetings, under their SHA-256."""
        return self.root / "attachments"

    @property
    def logs(self) -> Path:
        return self.root / "logs"


def zone_named(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ValueError for one that is not known."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name[:60]!r}") from None


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
