"""The store: rollouts that were paid for, kept outside of every stage's outputs. A cache: tables are what is shared."""
