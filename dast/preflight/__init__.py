"""What can be told wrong, estimated or tried before a long run: one file a kind of check."""
