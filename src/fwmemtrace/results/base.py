"""The base classes of results.

All sizes are bytes, all times nanoseconds. None stands for "the probe was not on", never for zero. Within a version
keys are added; none is renamed, removed or given another meaning. docs/report.md and docs/report.schema.json are
generated from these classes and the comments behind their fields.
"""

from __future__ import annotations

import msgspec

from .. import paths


class Result(msgspec.Struct, kw_only=True):
    """The base class of all results."""


class PhaseResult(Result, kw_only=True):
    """A row about one phase. `name` and `parent` follow from `path`."""

    path: str  # names joined by "/"; a "/" or backslash in a name is escaped by a backslash; "" is "no phase"
    name: str = ""  # the last name of the path, not escaped
    parent: str | None = None  # the path of the enclosing phase; null for an outermost phase

    def __post_init__(self) -> None:
        names = self.names
        self.name = names[-1] if names else ""
        self.parent = paths.write(names[:-1]) if len(names) > 1 else None

    @property
    def names(self) -> paths.PhasePath:
        """The names of the path, outermost first."""
        return paths.read(self.path)
