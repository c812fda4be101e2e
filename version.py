"""The one version of Điểm Cầu; all three distributions carry it."""

__version__ = "0.1.0"
