"""TLS to the coordinator: its certificate checked against the pinned roots, this unit's own shown."""

from __future__ import annotations

import ssl

from .state_folder import Identity

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, openssl/x509_vfy.h


def towards_coordinator(identity: Identity, *, clock_trusted: bool) -> ssl.SSLContext:
    """A context that reads key, certificate and roots as they are now. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(identity.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.certificate, identity.key)
    if not clock_trusted:  # a box without a clock battery: the private CA still decides
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context
