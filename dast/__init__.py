"""Difficulty-aware self-training: builds training data for mathematical reasoning from a model's own answers.

The library knows nothing of DVC, of paths, or of stages; `stages/` holds the scripts that do.
"""
