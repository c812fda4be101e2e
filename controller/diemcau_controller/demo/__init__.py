"""Three halls on one machine, and the judge of what they saw and heard."""

from .run import run

__all__ = ["run"]
