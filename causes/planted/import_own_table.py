"""Import bloat: a module of the project's own builds a large table at import."""

from causes.truth import rss, tell

before = rss()
import _country_table  # noqa: E402 # cause

size = rss() - before
assert _country_table.COUNTRIES
tell("import of a large table", size, names=("_country_table",))
