"""The agent on a commune hall's unit."""
