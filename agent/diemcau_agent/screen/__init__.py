"""The screen process: what the hall sees; never black while it lives."""
