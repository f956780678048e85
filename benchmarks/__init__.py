"""Measured claims, each a script; results/ holds what they gave."""
