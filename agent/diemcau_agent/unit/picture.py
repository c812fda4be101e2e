"""A picture of the screen, or of the room, on its way to the controller: HTTPS PUT, local CA, a token."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from diemcau_wire.messages import Upload

TIMEOUT_S = 10
MAX_BYTES = 8 * 1024 * 1024


class UploadError(Exception):
    """The picture did not arrive; the text says why."""


def put(data: bytes, upload: Upload, context: ssl.SSLContext, kind: str = "image/png") -> int:
    """Send a picture; blocking, at most about TIMEOUT_S per step. Gives its size in bytes.
    `context` shows the unit's certificate.

    Raises :class:`UploadError`.
    """
    try:
        if len(data) > MAX_BYTES:
            raise UploadError(f"the picture has {len(data)} bytes, more than {MAX_BYTES}")
        where = urlsplit(upload.url)
        line = http.client.HTTPSConnection(
            where.hostname or "", where.port, timeout=TIMEOUT_S, context=context
        )
        try:
            headers = {"Authorization": f"Bearer {upload.token}", "Content-Type": kind}
            path = where.path or "/"
            line.request("PUT", f"{path}?{where.query}" if where.query else path, data, headers)
            answer = line.getresponse()
            answer.read(4096)
        finally:
            line.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UploadError(f"{type(error).__name__}: {error}"[:300]) from None
    if not 200 <= answer.status < 300:
        raise UploadError(f"the controller answers {answer.status} {answer.reason}"[:300])
    return len(data)
