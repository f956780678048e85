"""`dast diff`: what a round, or a git revision, changed: params, metrics, data, plots."""
