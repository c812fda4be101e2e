"""Three halls on one machine, and the judge of what they saw and heard."""

from .command import run

__all__ = ["run"]
