"""What the small files of all rounds say, side by side."""
