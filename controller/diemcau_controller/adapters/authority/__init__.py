"""The local certificate authority: it vouches for the servers here, for every unit, and for what we say."""

from .authority import Authority, IssuedCertificate
from .certificates import unit_id
from .errors import AuthorityError, NotOurs
from .trust import Trust

__all__ = ["Authority", "AuthorityError", "IssuedCertificate", "NotOurs", "Trust", "unit_id"]
