"""Training of a round's model: its set, the loop, and runs that are kept."""
