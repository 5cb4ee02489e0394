"""The JSON of `fwmemtrace check`: a trace against memory budgets."""

from __future__ import annotations

from typing import Literal

from .base import PhaseResult, Result
from .native import Frame


class Contributor(Result, kw_only=True):
    """Something that holds a part of a figure; contributors do not add up to it. It is a kind of memory or a place."""

    bytes: int  # how much
    category: str = ""  # kind of memory, as in the ledger; "" for a place
    owner: str = ""  # owner of that memory, as in the ledger
    location: Frame | None = None  # the line of the program's own code; null for a kind of memory


class BudgetCheck(PhaseResult, kw_only=True):
    """One figure and its limit. `path` is "" for a process."""

    kind: Literal["process", "service", "phase", "growth", "baseline"]  # "service": of a suite
    metric: Literal["peak RSS", "RSS growth per call", "change"]  # what is limited; "change": since the baseline
    pid: int  # process id; 0 for a service
    actual_bytes: int  # the figure
    limit_bytes: int  # its limit
    exceeded: bool  # whether the figure is above the limit
    source: str  # where the limit was given
    source_file: str = ""  # the file, if it was in one
    source_line: int = 0  # the line in it; 0 if not known
    contributors: list[Contributor] = []  # if exceeded: what holds most, the largest first


class CheckReport(Result, kw_only=True):
    """All checks."""

    format: Literal["fwmemtrace-check"] = "fwmemtrace-check"  # always the same
    version: int = 1  # of this format
    trace: str  # the trace file
    exceeded: bool  # whether any limit is exceeded
    checks: list[BudgetCheck]  # those exceeded first
    notes: list[str] = []  # limits that could not be checked, and why
