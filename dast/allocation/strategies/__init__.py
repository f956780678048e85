"""Strategies of allocation, one a file; `registry.py` names them."""
