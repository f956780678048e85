"""Model folders: their cards and checks, and how the base's folder is made."""
