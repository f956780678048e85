"""Queries, test sets and recorded responses, read from where they lie."""
