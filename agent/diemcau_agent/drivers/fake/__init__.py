"""Fake devices, chosen by configuration as `fake:PATH`: a small JSON file says what they do now."""
