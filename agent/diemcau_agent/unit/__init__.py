"""The always-on process of a unit: link, store, outbox, sessions, supervision of media and screen."""
