"""How hard a query is for a policy: pass rate, its posterior, level; pass@k and maj@k; held against other levels."""
