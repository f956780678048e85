"""Allocation alone: the library's strategies on simulated queries whose pass rates are known, without a model."""
