"""Parameters: one model a section, the rounds, and how a round's settings follow from defaults and override."""
