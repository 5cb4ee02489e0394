"""Import bloat: a request imports pandas to read one date."""

from causes.truth import rss, tell


def parse_date(text: str) -> int:
    """Returns the year."""
    import pandas  # cause

    return int(pandas.Timestamp(text).year)


before = rss()
parse_date("2026-05-17")
tell("import of a package", rss() - before, names=("pandas",))
