"""nginx's configuration: TLS for everything but the broker, and whose client certificate it has seen.

A configuration and folders of its own, nothing of the system's. The controller and the porter behind it
listen on Unix sockets; what they are told of the client's certificate nginx itself sets, always, so that
nobody outside can. (Without workers, `master_process off`, nginx 1.22 dies of an inherited socket, and of a
SIGHUP slowly.)
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..rules.front_door import SERIAL, SUBJECT, VERIFIED

STREAMS = ("/live", "/api/v1/stream")
"""Server-sent events: passed on as they come, for as long as the page is open."""

_LARGEST_BODY = "32m"  # more than the controller takes: what is too large, it says itself
_CONNECTIONS = 8192  # a line to Janus takes two
_NO_CERTIFICATE = "the certificate you show is not one of ours, or is over: ask for a new one"
_LATER = """<!doctype html><html lang=vi><meta charset=utf-8><meta http-equiv=refresh content=5>
<meta name=viewport content='width=device-width'><title>Điểm Cầu</title>
<body style='font:1.2rem/1.6 sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem'>
<h1>Máy chủ đang khởi động lại</h1><p>Trang này tự mở lại sau vài giây, xin vui lòng chờ.
<p lang=en>The server is starting. This page opens again by itself in some seconds.</html>"""


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Where nginx listens (`host`:`port` as it writes them; for `guests` at an address of their own), with
    which certificate, whose clients it knows (`trust`: our roots), and the sockets behind it.

    `releases` is the folder of the units' software; so many units fetch at once, each so fast, that a meeting
    has its share of the line."""

    listen: tuple[str, ...]
    guests: str
    key: Path
    certificate: Path
    trust: Path
    controller: Path
    porter: Path
    releases: Path
    releases_at_once: int = 20
    releases_kbit_s: int = 1000


def write_nginx_config(folder: Path, door: FrontDoor) -> Path:
    """Write `nginx.conf` into `folder`, where everything else of nginx's goes, too; give its path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "nginx.conf"
    path.write_text(_text(folder.resolve(), door), encoding="utf-8")
    path.chmod(0o600)
    return path


def _text(folder: Path, door: FrontDoor) -> str:
    user = "user root root;\n" if os.geteuid() == 0 else ""  # others could not reach the sockets
    listen = "\n".join(f"\t\tlisten {where} ssl http2;" for where in door.listen)
    streams = "\n".join(_stream(path) for path in STREAMS)
    temporary = "\n".join(
        f"\t{kind}_temp_path {_quoted(folder / 'temp' / kind)};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "temp").mkdir(exist_ok=True, mode=0o700)
    return f"""# Written anew at each start; changes here are lost.
daemon off;
worker_processes auto;
worker_rlimit_nofile 65536;
{user}pid {_quoted(folder / "nginx.pid")};
error_log stderr warn;
events {{
	worker_connections {_CONNECTIONS};
}}
http {{
	access_log off;
	server_tokens off;
	default_type application/octet-stream;
{temporary}
	client_max_body_size {_LARGEST_BODY};
	client_header_timeout 20s;
	client_body_timeout 60s;
	keepalive_timeout 60s;
	reset_timedout_connection on;
	limit_conn_zone $server_name zone=releases:32k;
	limit_conn_zone $server_name zone=systems:32k;
	limit_conn_status 429;

	upstream controller {{
		server {_quoted(f"unix:{door.controller}")};
		keepalive 32;
		keepalive_timeout 30s;
	}}
	upstream porter {{
		server {_quoted(f"unix:{door.porter}")};
	}}

	ssl_certificate {_quoted(door.certificate)};
	ssl_certificate_key {_quoted(door.key)};
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_session_cache shared:tls:4m;
	ssl_session_tickets off;
	proxy_http_version 1.1;
	proxy_connect_timeout 5s;

	server {{
{listen}
		server_name _;
		ssl_client_certificate {_quoted(door.trust)};
		ssl_verify_client optional;
		ssl_verify_depth 2;

		proxy_send_timeout 60s;
		proxy_read_timeout 120s;
		proxy_set_header Host $http_host;
		proxy_set_header X-Forwarded-For $remote_addr;
		proxy_set_header X-Forwarded-Proto https;
		proxy_set_header {VERIFIED} $ssl_client_verify;
		proxy_set_header {SUBJECT} $ssl_client_s_dn;
		proxy_set_header {SERIAL} $ssl_client_serial;
		proxy_set_header Connection "";

		error_page 495 496 = @not_ours;
		error_page 497 = @plain;
		error_page 502 504 = @later;

		location / {{
			proxy_pass http://controller;
		}}
{streams}
{_releases(door)}
		location = /janus {{
			proxy_pass http://porter;
{_headers_of_a_tunnel()}
			proxy_buffering off;
			proxy_read_timeout 60s;
		}}
		location @not_ours {{
			default_type application/json;
			return 403 {_quoted(json.dumps({"detail": _NO_CERTIFICATE}))};
		}}
		location @plain {{
			return 301 https://$http_host$request_uri;
		}}
		location @later {{
			default_type "text/html; charset=utf-8";
			add_header Retry-After 5 always;
			return 503 {_quoted(_LATER)};
		}}
	}}

	# Browsers hang up when a WebSocket's server asks for a client certificate: here nobody is asked.
	server {{
		listen {door.guests} ssl;
		server_name _;
		location = /janus {{
			proxy_pass http://porter;
{_headers_of_a_tunnel()}
			proxy_buffering off;
			proxy_read_timeout 60s;
		}}
		location / {{
			return 404;
		}}
	}}
}}
"""


def _stream(path: str) -> str:
    return f"""		location = {path} {{
			proxy_pass http://controller;
			proxy_buffering off;
			proxy_read_timeout 1h;
		}}"""


def _releases(door: FrontDoor) -> str:
    """What is signed, and what the signatures are about: files, public, resumed by Range. What they are is
    in their names or their signatures, so there is no tag of this machine's own."""
    rate = max(1, door.releases_kbit_s // 8)
    return f"""		location ^~ /releases/ {{
			return 404;
		}}
		location ^~ /releases/metadata/ {{
			alias {_quoted(f"{door.releases / 'metadata'}/")};
			etag off;
			limit_rate {rate}k;
			add_header Cache-Control no-cache;
		}}
{_downloads(door, "targets", "releases", rate)}
{_downloads(door, "targets/systems", "systems", rate)}"""


def _downloads(door: FrontDoor, folder: str, zone: str, rate: int) -> str:
    """Large files below `folder`, so many at once as `zone` counts, each so fast."""
    return f"""		location ^~ /releases/{folder}/ {{
			alias {_quoted(f"{door.releases / folder}/")};
			etag off;
			sendfile on;
			limit_rate {rate}k;
			limit_conn {zone} {door.releases_at_once};
		}}"""


def _headers_of_a_tunnel() -> str:
    """All of them once more: a location that sets one header inherits none."""
    return f"""			proxy_set_header Host $http_host;
			proxy_set_header {VERIFIED} $ssl_client_verify;
			proxy_set_header {SUBJECT} $ssl_client_s_dn;
			proxy_set_header {SERIAL} $ssl_client_serial;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";"""


def _quoted(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
