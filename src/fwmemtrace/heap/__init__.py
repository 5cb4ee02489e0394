"""Walks over live Python objects: how many there are, what memory they take, and what keeps them alive."""
