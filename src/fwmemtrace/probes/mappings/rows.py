"""Adds up the mappings of one reading of smaps by owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from ...records import MappingRow
from ...system import smaps
from ...system.mapped_paths import DEVICE, SHARED_MEMORY
from .anonymous import AnonymousMemory, apportion
from .owners import owner_of

Owner: TypeAlias = tuple[str, str]  # category and name


def rows_by_owner(
    pieces: Iterable[bytes],
    anonymous: AnonymousMemory,
    known: dict[str, Owner],
    own_files: frozenset[str] = frozenset(),
) -> list[MappingRow]:
    """Add the mappings up by owner.

    Args:
        pieces: the output of `smaps.read`.
        anonymous: divides the anonymous mappings.
        known: owners of paths that were seen before; new ones are added.
        own_files: paths of files that the tracer itself writes or maps.

    Returns:
        One row per owner, the largest first; their `rss_bytes` add up to the Rss of all mappings exactly.

    Raises:
        ValueError: if smaps is in an unknown format.
    """
    sums: dict[Owner, list[int]] = {}
    files: dict[str, smaps.FileMappings] = {}
    for mapping, below in smaps.parse(pieces, files):
        if mapping.path.startswith("["):
            _add(sums, owner_of(mapping.path), mapping.rss, mapping.pss, mapping.private, 0, mapping.anonymous)
            continue
        parts = anonymous.divide(mapping, below)
        shares = [share for _, share in parts]
        columns = [apportion(figure, shares) for figure in (mapping.pss, mapping.private, mapping.anonymous)]
        for (part, share), pss, private, no_file in zip(parts, *columns, strict=True):
            _add(sums, (part.category, part.owner), share, pss, private, 0, no_file)
    for path, total in files.items():
        owner = known.get(path)
        if owner is None:
            owner = known[path] = owner_of(path, own_files)
        # Pages of shared memory and devices may be clean, but no file could give them back.
        evictable = 0 if owner[0] in (SHARED_MEMORY, DEVICE) else total.evictable
        _add(sums, owner, total.rss, total.pss, total.private, evictable, total.anonymous)
    ordered = sorted(sums.items(), key=lambda item: -item[1][0])
    return [MappingRow(category, owner, *figures) for (category, owner), figures in ordered]


def _add(sums: dict[Owner, list[int]], owner: Owner, *figures: int) -> None:
    row = sums.get(owner)
    if row is None:
        sums[owner] = list(figures)
        return
    for place, figure in enumerate(figures):
        row[place] += figure
