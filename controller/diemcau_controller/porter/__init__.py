"""The porter at Janus's door: a process of its own, between nginx and Janus."""
