"""Three halls on one machine, and the judge of what they saw and heard."""
