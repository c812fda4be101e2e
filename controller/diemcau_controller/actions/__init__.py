"""Use cases, one per file: a transaction, then what has to be told to others."""
