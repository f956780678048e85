"""A round's tables as a dataset folder with its card."""
