"""Walks over live Python objects: what there is, what it takes, and what keeps it alive."""
