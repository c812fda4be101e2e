"""The line by which a unit is reached from outside, though it listens on nothing: a small process of its own,
with its own user, that runs OpenSSH's client and nothing else."""
