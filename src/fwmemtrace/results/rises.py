"""Where RSS rose: the stacks that were running while it did."""

from __future__ import annotations

from .base import PhaseResult, Result
from .native import Frame


class Rise(PhaseResult, kw_only=True):
    """What one stack made RSS rise by in a phase."""

    bytes: int  # the sum of its rises
    looks: int  # the number of rises
    line: Frame | None  # the innermost frame of the program's own code; null if there is none
    package: str  # the innermost installed package that `line` called, such as "numpy"; "" if it called none
    stack: list[Frame]  # innermost first
    at_peak_bytes: int = 0  # part of `bytes`: not returned when RSS peaked; a fall takes what rose last
    kept_bytes: int = 0  # part of `bytes`: not returned at the end
    first_ns: int = 0  # time of its first rise, since the session began
    last_ns: int = 0  # time of its last rise
    threads: int = 1  # number of threads that it was seen in


class RiseLine(Result, kw_only=True):
    """What one line of the program's own code made RSS rise by, all phases together."""

    bytes: int  # the sum of its rises
    at_peak_bytes: int  # part of `bytes`: not returned when RSS peaked
    line: Frame  # the line
    package: str  # the package that ran, as in `Rise`
    category: str | None = None  # kind of memory, a category of the ledger; null if the figures leave it open
    owner: str | None = None  # owner in the ledger; null if `category` is


class Rises(Result, kw_only=True):
    """How the RSS of a process changed over the session.

    `rss_delta_bytes` is the sum of `imported_bytes`, `risen_bytes`, `fallen_bytes` and `unattributed_bytes`.
    """

    pid: int  # process id
    rss_delta_bytes: int  # change in RSS from the start of the session to its end, or to the last reading
    imported_bytes: int  # of that, what imports account for, by the probe `imports` or else by their rises
    risen_bytes: int  # of that, the rises below
    fallen_bytes: int  # of that, what was returned; negative or 0
    unattributed_bytes: int  # of that, what belongs to no stack, such as changes too small to look at
    stacks: list[Rise]  # the largest first
    largest_fall_bytes: int = 0  # the most that was returned at once
    largest_fall_calls: int = 0  # the number of calls of phases whose rises that took back
    copied_bytes: int = 0  # of a forked process: pages that it shared and has copied, an estimate; not in RSS changes
    copied_at: Frame | None = None  # of a forked process: where it copied most of the pages that it shared
    lines: list[RiseLine] = []  # the same by line of the program's own code, the largest first
