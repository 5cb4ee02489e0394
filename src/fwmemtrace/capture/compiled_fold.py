"""Splits the records of a capture by phase in the compiled core: as `CaptureFold` does, to the byte, but faster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import core
from . import markers
from .mapped import MappedMemory
from .thread_phases import RunEnded, ThreadPhases

if TYPE_CHECKING:
    from ..core._compiled import CaptureParser


class CompiledFold:
    """Takes the records of a parser. What it has so far can be read at any time between two calls of `feed`.

    Edges of phases and mappings are rare, and counted here; the core counts blocks, in the same objects.

    Args:
        parser: has the records.
        own_thread: as for `CaptureFold`.
        ended: as for `CaptureFold`.
        native: as for `CaptureFold`.

    Attributes:
        phases: as of `CaptureFold`.
        mapped: as of `CaptureFold`.
    """

    def __init__(
        self, parser: CaptureParser, own_thread: int, ended: RunEnded | None = None, *, native: bool = False
    ) -> None:
        compiled, reason = core.load()
        if compiled is None:
            raise RuntimeError(reason)
        self.mapped = MappedMemory()
        self.phases = ThreadPhases(own_thread, self.mapped, ended, compiled.SiteTable)
        self._fold = compiled.Fold(
            parser=parser,
            by_native=native,
            run_of=self.phases.run_of,
            read=_marker,
            apply=self.phases.apply,
            map=self.mapped.add,
            unmap=self.mapped.remove,
        )

    @property
    def markers(self) -> int:
        """How many markers there were."""
        return int(self._fold.markers)

    @property
    def marker_bytes(self) -> int:
        """The markers' size: with the tallies' bytes it makes memray's total."""
        return int(self._fold.marker_bytes)

    @property
    def peak_bytes(self) -> int:
        """The most that was live at once so far by memray's count, mapped files included."""
        return int(self._fold.peak_bytes)

    def feed(self, most: int) -> int:
        """Take about that many more records, and return how many; 0 at the end."""
        return int(self._fold.feed(most))

    def live_blocks(self) -> dict[int, int]:
        """Return how many blocks and mappings are live; see `CaptureFold.live_blocks`."""
        found: dict[int, int] = {}
        for tally in self.phases.tallies.values():
            for table in (tally.sites, tally.ambient):
                sites: Iterable[Any] = table.values()
                found.update((id(site), site.blocks) for site in sites if site.blocks)
        for site in self.mapped.live_sites():
            found[id(site)] = found.get(id(site), 0) + 1
        return found

    def release(self) -> None:
        """Free all blocks and sites at once; see `CaptureFold.release`."""
        self._fold.release()
        self.phases.release()


def _marker(name: str) -> markers.Marker | None:
    try:
        return markers.read_name(name)
    except ValueError:
        return None
