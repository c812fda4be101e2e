"""Where units dial in by SSH, so that work can be done on them though they listen on nothing."""
