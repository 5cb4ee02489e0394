"""Adds up the mappings of one reading of smaps by owner."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from ...records import MappingRow
from ...system import smaps
from ...system.mapped_paths import ANONYMOUS, DEVICE, SHARED_MEMORY
from .anonymous import AnonymousMemory, apportion
from .owners import owner_of

Owner: TypeAlias = tuple[str, str]  # category and name

_OPENBLAS = "openblas"  # in the file name of the library
_OPENBLAS_BUFFER = 32 << 20  # bytes that it reserves for each thread, on x86-64 and AArch64


class Reading(NamedTuple):
    """The mappings of one reading.

    Attributes:
        rows: one per owner, the largest first; their `rss_bytes` add up to the Rss of all mappings exactly.
        untouched_bytes: writable memory without an owner that is mapped and not resident.
    """

    rows: list[MappingRow]
    untouched_bytes: int


def rows_by_owner(
    pieces: Iterable[bytes],
    anonymous: AnonymousMemory,
    known: dict[str, Owner],
    own_files: frozenset[str] = frozenset(),
) -> Reading:
    """Add the mappings up by owner.

    Args:
        pieces: the output of `smaps.read`.
        anonymous: divides the anonymous mappings.
        known: owners of paths that were seen before; new ones are added.
        own_files: paths of files that the tracer itself writes or maps.

    Raises:
        ValueError: if smaps is in an unknown format.
    """
    sums: dict[Owner, list[int]] = {}
    files: dict[str, smaps.FileMappings] = {}
    untouched = 0
    for mapping, below in smaps.parse(pieces, files):
        if mapping.path.startswith("["):
            _add(sums, owner_of(mapping.path), mapping.rss, mapping.pss, mapping.private, 0, mapping.anonymous)
            continue
        parts = anonymous.divide(mapping, below)
        if mapping.permissions.startswith("rw"):
            untouched += sum(part.end - part.start - share for part, share in parts if part.category == ANONYMOUS)
        if not mapping.rss:
            continue
        shares = [share for _, share in parts]
        columns = [apportion(figure, shares) for figure in (mapping.pss, mapping.private, mapping.anonymous)]
        for (part, share), pss, private, no_file in zip(parts, *columns, strict=True):
            _add(sums, (part.category, part.owner), share, pss, private, 0, no_file)
    for path, total in files.items():
        untouched += max(0, total.size - total.rss)
        if not total.rss:
            continue
        owner = known.get(path)
        if owner is None:
            owner = known[path] = owner_of(path, own_files)
        # Pages of shared memory and devices may be clean, but no file could give them back.
        evictable = 0 if owner[0] in (SHARED_MEMORY, DEVICE) else total.evictable
        _add(sums, owner, total.rss, total.pss, total.private, evictable, total.anonymous)
    ordered = sorted(sums.items(), key=lambda item: -item[1][0])
    rows = [MappingRow(category, owner, *figures) for (category, owner), figures in ordered]
    return Reading(rows, max(0, untouched - _reserved_by_openblas(files)))


def _reserved_by_openblas(files: Iterable[str]) -> int:
    """Return what numpy's and scipy's matrix library may have reserved by itself: a buffer per thread."""
    libraries = sum(_OPENBLAS in os.path.basename(path) for path in files)
    return libraries * ((os.cpu_count() or 1) + 1) * _OPENBLAS_BUFFER


def _add(sums: dict[Owner, list[int]], owner: Owner, *figures: int) -> None:
    row = sums.get(owner)
    if row is None:
        sums[owner] = list(figures)
        return
    for place, figure in enumerate(figures):
        row[place] += figure
