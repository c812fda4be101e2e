"""The disk image a technician flashes: `python -m firmware build` (docs/firmware.md)."""
