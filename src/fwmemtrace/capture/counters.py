"""What levels, tallies and runs count in: objects of the compiled core, where it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import core


class LevelCounters:
    """Of a level; see `level.Level`."""

    __slots__ = ("fall", "local", "now", "top")

    def __init__(self) -> None:
        self.now = 0
        self.top = 0
        # How often the level fell from its top. A site that changes for the first time since the latest fall held at
        # the top what it holds until that moment: so the peak can be broken down without a copy of every site.
        self.fall = 0
        self.local = 0  # the highest level since the log's latest entry, see `Level`


class TallyCounters:
    """Of a tally; see `tally.Tally`."""

    __slots__ = ("ambient", "freed", "own", "sites", "whole")

    def __init__(self, own: Any, whole: Any, around: Any, sites: Any, ambient: Any) -> None:
        self.own = own
        self.whole = whole  # with the phases inside
        self.sites = sites
        self.ambient = ambient  # the sites of threads that have no phase of their own
        self.freed = 0  # while one of its runs was the innermost


class RunCounters:
    """Of a run; see `runs.PhaseRun`."""

    __slots__ = ("live", "open", "tally", "whole")

    def __init__(self, tally: Any, parent: Any) -> None:
        self.tally = tally
        self.live = 0  # bytes that it allocated and that are not freed
        self.whole = 0  # the same with the runs inside it
        self.open = True


if not TYPE_CHECKING:
    compiled, _ = core.load()
    if compiled is not None:
        LevelCounters, TallyCounters, RunCounters = compiled.Level, compiled.Tally, compiled.Run
