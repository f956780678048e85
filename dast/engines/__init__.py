"""Engines: what turns prompts into responses. One module an engine; heavy imports stay inside it."""
