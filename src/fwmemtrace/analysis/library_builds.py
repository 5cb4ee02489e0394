"""The builds of the libraries that a process had mapped, by the names that frames have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..capture.library_names import library_of
from ..records import MappedLibrary, Record


class LibraryBuild(NamedTuple):
    """A library as it was mapped.

    Attributes:
        path: of its file.
        build_id: its GNU build ID; "" if it has none.
    """

    path: str
    build_id: str


def library_builds(records: Iterable[Record]) -> dict[str, LibraryBuild]:
    """Return the libraries that were recorded with native traces, by name."""
    found = {}
    for record in records:
        if isinstance(record, MappedLibrary):
            build = record.build or ""
            # Without a build ID, the record has the size in words.
            found[library_of(record.path)] = LibraryBuild(record.path, "" if " " in build else build)
    return found
