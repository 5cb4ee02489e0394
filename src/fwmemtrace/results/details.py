"""What a page shows beyond the JSON report: single calls, readings over time, whole trees of stacks, source lines.

Tables are in columns, since there may be tens of thousands of rows.
"""

from __future__ import annotations

from .base import Result


class Calls(Result, kw_only=True):
    """Single calls of phases, in the order in which they began."""

    path: list[int]  # number of the path in `ProcessDetails.paths`
    parent: list[int]  # row of the call around it; -1 if there is none, or if it was left out
    thread: list[int]  # number of the thread, in the order in which they are first seen
    begin_ns: list[int]  # since the first process's session began
    end_ns: list[int]  # the same; -1 if it has not ended
    before_bytes: list[int]  # RSS when it began
    after_bytes: list[int]  # RSS when it ended, or the latest reading
    peak_bytes: list[int]  # peak RSS; 0 if it has not ended
    error: dict[int, str]  # type of the exception that ended it, by row
    left_out: int = 0  # number of shorter calls that are in no row


class Readings(Result, kw_only=True):
    """What RSS consisted of at each reading of the mappings."""

    at_ns: list[int]  # since the first process's session began
    rss_bytes: list[int]  # RSS then
    categories: dict[str, list[int]]  # resident bytes by category of the ledger
    unexplained_bytes: list[int]  # anonymous memory without a known owner


class Mark(Result, kw_only=True):
    """Something that happened at one moment."""

    at_ns: int  # since the first process's session began
    kind: str  # "collection", "full collection", "snapshot" or "note"
    text: str  # what happened


class CallLevels(Result, kw_only=True):
    """The level of one metric at the end of the calls of a phase: each point is the mean of `stride` calls."""

    path: str  # path of the phase
    metric: str  # as in `Growth`
    stride: int  # calls per point
    values: list[float]  # the points


class StackTree(Result, kw_only=True):
    """Stacks as a tree, each row before the rows below it. The outermost rows are phases.

    The figures of a row are those of stacks that end there. Those of a phase add up to the same figures in the report.
    """

    metrics: list[str]  # what is counted, such as "live"
    strings: list[str]  # names of functions, files and libraries, by number
    function: list[int]  # of each frame: number of its name
    file: list[int]  # of each frame: number of its file
    line: list[int]  # of each frame; 0 if not known
    library: list[int]  # of each frame: number of its library; -1 for Python frames
    kind: list[int]  # of each frame: 1 for the program's own code, 2 for the import system, 0 for others
    paths: list[str]  # phase paths, in the order of their rows
    depth: list[int]  # of each row; 0 for a phase
    frame: list[int]  # of each row: number of its frame; -1 for a phase, -2 for the sum of what is too small for rows
    rows: list[int]  # rows with figures of their own
    values: list[list[int]]  # their figures, a list for each metric
    stacks: int  # number of stacks
    folded: int = 0  # number of rows that are only in sums


class SourceFile(Result, kw_only=True):
    """The lines of a source file that figures refer to, with the lines around them."""

    file: str  # path
    changed: bool  # whether the file was changed after the session began
    first: list[int]  # number of the first line of each excerpt
    text: list[str]  # each excerpt
    inside: list[str]  # the quotes of the string that each excerpt begins in, "" for none


class ProcessDetails(Result, kw_only=True):
    """The details of one process."""

    pid: int  # process id
    paths: list[str]  # phase paths, by number
    calls: Calls
    marks: list[Mark]
    levels: list[CallLevels]
    readings: Readings | None = None  # from the probe `mappings`
    native: StackTree | None = None  # from the probe `native`
    sampled: StackTree | None = None  # from the probe `heap`


class Details(Result, kw_only=True):
    """The details of a trace."""

    processes: list[ProcessDetails]
    sources: list[SourceFile] = []
