"""The life of one row: where it came from, and why it is in its set."""
