"""What a check measures in the media process, one file per part: plain values, nothing judged."""
