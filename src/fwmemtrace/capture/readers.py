"""The tools whose captures can be read, by the name that `CaptureChunk.tool` gives them in a trace file.

A tool's reader is imported when it is first used. To read the captures of another tool, add an entry to `_READERS`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import CaptureError
from ..tracefile.layout import CAPTURE_SUFFIX

if TYPE_CHECKING:
    from .capture_file import Progress
    from .rows import CaptureSummary
    from .samples import StackSample
    from .thread_phases import RunEnded


class ReadRows(Protocol):
    """Reads a capture as rows by phase; see `isolated.read_rows`."""

    def __call__(
        self,
        path: str | os.PathLike[str],
        *,
        top: int = 10,
        largest: int = 0,
        other_builds: Collection[str] = (),
        progress: Progress | None = None,
        run_ended: RunEnded | None = None,
    ) -> CaptureSummary: ...


class OpenSamples(Protocol):
    """Reads a capture as samples of all stacks, which can be resolved until the block ends; see `open_samples`."""

    def __call__(
        self, path: str | os.PathLike[str], *, other_builds: Collection[str] = (), progress: Progress | None = None
    ) -> AbstractContextManager[Iterable[StackSample]]: ...


class CaptureReader(NamedTuple):
    """How the captures of one tool are found and read.

    Attributes:
        suffix: of the capture next to a trace file, as a process that was killed leaves it.
        rows: reads a capture as rows by phase.
        samples: reads a capture as samples of all stacks.
    """

    suffix: str
    rows: ReadRows
    samples: OpenSamples


def reader_for(tool: str) -> CaptureReader:
    """Return the reader for the captures of a tool.

    Raises:
        CaptureError: if this version has none.
    """
    make = _READERS.get(tool)
    if make is None:
        raise CaptureError(f"captures of {tool!r} cannot be read by this version; update fwmemtrace")
    return make()


def _memray() -> CaptureReader:
    from .isolated import open_samples, read_rows

    return CaptureReader(CAPTURE_SUFFIX, read_rows, open_samples)


_READERS = {"memray": _memray}
