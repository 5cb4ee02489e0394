"""What an import statement names."""

from __future__ import annotations


def packages_named(statement: str) -> list[str]:
    """Returns the top-level packages that an import statement names.

    >>> packages_named("from scipy.stats import norm"), packages_named("import a.b as c, d")
    (['scipy'], ['a', 'd'])
    """
    words = statement.split()
    if words[:1] == ["from"]:
        return [words[1].partition(".")[0]]
    return [part.split()[0].partition(".")[0] for part in statement.removeprefix("import ").split(",")]
