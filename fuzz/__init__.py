"""Feeds every reader with what it should never be given: `python -m fuzz`."""
