"""The embedded tiny world: a generator of worked word problems, and a base, trained here, that can self-train on it."""
