"""Training sets: which responses are kept, in which mix, and which are paired."""
