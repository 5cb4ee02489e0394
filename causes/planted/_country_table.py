"""A module of the project's own that builds a large table when it is imported."""

COUNTRIES = {f"country {number}": [f"name {number} {language}" for language in range(8)] for number in range(100_000)}
