"""One file per technology: cameras, microphones, sound outputs."""
