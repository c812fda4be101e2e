"""The updater: fetches, verifies, installs, flips and judges releases. A process and a user of its own."""
