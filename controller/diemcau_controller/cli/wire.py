"""`diemcau wire`: what travels between the controller and the units."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ..config import StateDir
from .client import DEFAULT_STATE_DIR, Failed, JsonOption, StateDirOption, read_contact
from .show import print_json, print_json_line

wire = typer.Typer(help="The wire protocol.", no_args_is_help=True)


@wire.command("schema")
def schema(as_json: JsonOption = True) -> None:
    """JSON Schema of every topic."""
    from diemcau_wire.schema import schema as wire_schema

    print_json(wire_schema())


@wire.command("tap")
def tap(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    as_json: JsonOption = False,
    unit: Annotated[str | None, typer.Option(help="Of this unit only.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many messages.")] = None,
) -> None:
    """Every message between controller and units as it comes, until Ctrl-C; PINs and tokens are left out."""
    import paho.mqtt.client as paho
    from diemcau_wire.topics import ROOT, VERSION
    from paho.mqtt.enums import CallbackAPIVersion

    from ..adapters.authority import Authority
    from ..adapters.dynamic_security import CONTROLLER_CN

    state = StateDir(state_dir)
    try:
        contact = read_contact(state)
        authority = Authority(state.authority)
        key, certificate = authority.client_files(CONTROLLER_CN)
        tls = ssl.create_default_context(cafile=str(authority.ca_path))
        tls.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise Failed(f"no controller has run in {state_dir}, or its keys cannot be read: {error}") from None
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set_context(tls)
    seen = 0

    def connected(client: paho.Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if not reason.is_failure:
            client.subscribe(f"{ROOT}/{VERSION}/{unit or '+'}/#", 0)

    def arrived(client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal seen
        seen += 1
        _print(message, as_json)
        if count is not None and seen >= count:
            client.disconnect()

    client.on_connect, client.on_message = connected, arrived
    try:
        client.connect(contact["mqtt_host"], contact["mqtt_port"])
    except OSError as error:
        raise Failed(f"the broker is not reached: {error}; is `diemcau serve` running?") from None
    client.loop_forever(retry_first_connection=True)


def _print(message: Any, as_json: bool) -> None:
    try:
        payload = _without_secrets(json.loads(message.payload))
    except (ValueError, RecursionError):
        payload = repr(message.payload[:200])
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    if as_json:
        print_json_line({"at": at, "topic": message.topic, "retained": message.retain, "payload": payload})
    else:
        text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
        typer.echo(f"{at} {message.topic}{' (retained)' if message.retain else ''} {text}")


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "…" if key in ("pin", "token") else _without_secrets(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return value
