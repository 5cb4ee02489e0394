"""The JSON of `fwmemtrace diff`: what changed between two traces, or between two groups of runs."""

from __future__ import annotations

from typing import Literal

from .base import PhaseResult, Result
from .native import Frame


class BeforeAfter(Result):
    """A figure on both sides, the median where a side has several runs; null where it was not measured."""

    before: int | None  # in the first trace
    after: int | None  # in the second one

    @property
    def change(self) -> int:
        """After less before; None counts as 0."""
        return (self.after or 0) - (self.before or 0)


class KindChange(Result, kw_only=True):
    """How much one kind of memory, or one line of the ledger, changed over a phase, on both sides."""

    category: str  # kind of memory, as in the ledger; "unexplained" for the rest
    owner: str = ""  # of a line: library, file or allocator
    bytes: BeforeAfter  # RSS change over the phase, phases inside it left out
    noise_bytes: int  # a difference up to this says nothing


class StackChange(PhaseResult, kw_only=True):
    """What one stack had or added, on both sides. Lines of code move, so stacks are matched without line numbers."""

    process: str  # the process, as in `ProcessChange`
    metric: Literal["rises", "native live", "python heap"]  # what was measured
    bytes: BeforeAfter  # its bytes in the phase
    stack: list[Frame]  # innermost first; of the second trace where it has the stack


class PhaseChange(PhaseResult, kw_only=True):
    """One phase of a process on both sides."""

    status: Literal["kept", "added", "removed", "renamed"]  # whether both sides have it
    renamed_from: str | None = None  # its path in the first trace, if it has another one there
    calls: BeforeAfter  # number of calls
    wall_ns: BeforeAfter  # time, summed over the calls
    delta_bytes: BeforeAfter  # RSS change, phases inside it included
    own_bytes: BeforeAfter  # the same with these left out
    peak_bytes: BeforeAfter  # peak RSS
    above_start_bytes: BeforeAfter  # peak RSS less RSS when the first call began
    native_live_bytes: BeforeAfter  # native memory that it allocated itself and that was not freed
    python_heap_bytes: BeforeAfter  # change of what tracemalloc traces, phases inside it left out
    tensor_bytes: BeforeAfter  # change of live tensors, phases inside it left out
    noise_bytes: int  # a difference of `own_bytes` up to this says nothing
    kinds: list[KindChange]  # what its RSS change consists of
    lines: list[KindChange]  # the same by line of the ledger, those that differ beyond noise
    concurrent: bool  # whether it ran at the same time as others, whose changes in RSS are in its own too


class ProcessChange(Result, kw_only=True):
    """One process on both sides: matched by what it runs, and workers that run the same by their size."""

    name: str  # what it is called here
    status: Literal["kept", "added", "removed"]  # whether both sides have it
    pids: BeforeAfter  # process ids; of the first run where there are several
    runs: BeforeAfter  # number of runs
    before_session_bytes: BeforeAfter  # RSS when the session began
    end_bytes: BeforeAfter  # RSS at the end
    peak_bytes: BeforeAfter  # peak RSS
    noise_bytes: int  # a difference of these up to this says nothing
    phases: list[PhaseChange]  # a row for each phase in tree order, and last the row "" for what happened in none


class Difference(PhaseResult, kw_only=True):
    """A difference beyond noise, at the innermost phase that has it.

    `metric` is "rises" where phases ran at the same time, and a stack tells which of them made the difference.
    """

    process: str  # the process, as in `ProcessChange`
    place: Literal["phase", "outside", "before session", "process"]  # `path` is "" unless it is a phase
    metric: Literal["rss", "rises", "peak", "kind", "native live", "python heap", "tensors"]  # the figure that differs
    category: str = ""  # of "kind": the kind of memory
    bytes: BeforeAfter  # the figure
    noise_bytes: int  # what it had to exceed
    kinds: list[KindChange] = []  # kinds of memory that changed with it, the largest first
    stacks: list[StackChange] = []  # stacks that changed with it, the largest first


class Comparison(Result, kw_only=True):
    """The whole comparison."""

    format: Literal["fwmemtrace-diff"] = "fwmemtrace-diff"  # always the same
    version: int = 1  # of this format
    noise: Literal["measured", "estimated"]  # "measured": from the spread of several runs
    differences: list[Difference]  # those beyond noise, the largest first
    processes: list[ProcessChange]  # the first process of the session, then its workers
    stacks: list[StackChange]  # stacks whose bytes changed, the largest first
