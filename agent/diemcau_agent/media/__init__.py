"""The media process: it exists only around a meeting or a check, and is replaced, never repaired."""
