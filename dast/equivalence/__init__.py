"""Exact equality of answers: a reader with an allow-list, comparison by structure, sympy in worker processes."""
