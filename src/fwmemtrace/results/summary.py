"""The summary: what holds the memory of the largest process at its peak, as facts. Reports put them into words."""

from __future__ import annotations

from typing import Literal

from .base import PhaseResult, Result
from .imports import OwnImport
from .native import Frame
from .objects import Holder


class ImportedPackages(Result, kw_only=True):
    """What one line of the program's own code imported, directly and through other modules."""

    nearest_own: OwnImport | None  # the line; null if no code of the program's own led to the imports
    bytes: int  # the sum over the modules
    packages: dict[str, int]  # bytes by top-level package, the largest first


class CausePart(Result, kw_only=True):
    """What one function made of a cause that several share, or one line of a cause that is a single function."""

    location: Frame  # the innermost frame of the program's own
    bytes: int


class Cause(PhaseResult, kw_only=True):
    """Something that a part of RSS at the peak came from. `path` is the phase in which it came.

    `kind` says what: "imports" (all of them), "code" (a function of the program's own, or a library without one),
    "phase" (a phase, where nothing closer is known), "memory" (a kind of memory, where not even a phase is known) or
    "before session" (the interpreter, and all that it had loaded when the session began).
    """

    kind: Literal["imports", "code", "phase", "memory", "before session"]
    bytes: int  # how much of the RSS at the peak
    share: float  # the same as a fraction of it, at most 1
    category: str = ""  # the kind of memory that it mostly is, as in the ledger; "" if it is mixed or not known
    owner: str = ""  # the owner of that memory, as in the ledger
    location: Frame | None = None  # of code: the innermost frame of the program's own
    parts: list[CausePart] = []  # of code: functions that made it together, or lines in turn; largest first
    package: str = ""  # of code: the package through which it allocated
    calls: int = 0  # of code and phases: calls of the phase; 0 if the program's own code has no phase there
    threads: int = 0  # of code: threads that it ran in and that have not ended; 0 if it is one, or not known
    duration_ns: int = 0  # of code: time from its first rise to its last
    last_ns: int = 0  # of code: time of its last rise, since the session began
    kept_bytes: int | None = None  # how much of it was still there at the end; null if that is not known
    kept_category: str = ""  # the kind of memory that the part which stayed is, if `category` is ""
    kept_owner: str = ""  # the owner of that memory
    bytes_per_call: float | None = None  # the growth of its phase; null if it does not grow
    held_by: Holder | None = None  # what retains objects of a type that grows in its phase
    tensors: str = ""  # the model or library whose tensors it mostly is; from the probe `tensors`
    imports: list[ImportedPackages] = []  # of imports: a row for each line, the largest first


class NextRun(Result, kw_only=True):
    """A probe that would show more of a cause."""

    probe: str  # its name
    options: list[str]  # of the command `run`
    category: str  # the kind of memory that it is for, as in the ledger; "growth" or "garbage" for these
    bytes: int  # how much of that there is
    command: list[str]  # the words of the command; empty if the program starts its session itself


class OutOfMemory(Result, kw_only=True):
    """How a process ran out of memory, or most likely did: its records stop close to a limit."""

    pid: int  # process id
    certain: bool  # whether an allocation failed (MemoryError)
    path: str  # the phase in which it happened; "" outside any phase
    peak_bytes: int  # peak RSS
    bytes_per_second: float  # how fast the last tenth of it came
    cause: Cause | None  # what rose in the end; null if that is not known
    limit: Literal["control group", "RLIMIT_AS", ""] = ""  # which limit; "" if none is known
    limit_group: str | None = None  # the enclosing control group with that limit; null if it is the process's own
    limit_bytes: int | None = None
    used_bytes: int | None = None  # the largest reading of what the limit counts


class Untouched(Result, kw_only=True):
    """Memory that was allocated and is not resident."""

    bytes: int  # at least; it is not in RSS
    reserved_bytes: int = 0  # part of `bytes`: in mappings that are not malloc's; from the probe `mappings`
    live_bytes: int | None = None  # all live native memory; from the probe `native`
    location: Frame | None = None  # the largest site of live memory; from the probe `native`


class CopiedPages(Result, kw_only=True):
    """Pages that forked processes shared with their parent until they wrote to them."""

    processes: int  # number of forked processes that copied pages
    bytes: int  # of all of them; their RSS has not changed by it
    location: Frame | None = None  # where most were copied; null if that is not known


class Summary(Result, kw_only=True):
    """What holds the memory of the process with the largest peak.

    The causes do not add up to `peak_bytes`: small ones are left out.
    """

    pid: int  # process id
    peak_bytes: int  # its peak RSS
    peak_phase: str | None  # path of the innermost phase in which it was reached; null outside any phase
    end_bytes: int  # RSS at the end, or the latest reading
    incomplete: bool  # whether figures are missing: see `trace`
    causes: list[Cause]  # the largest first
    evictable_bytes: int | None  # at the largest reading: file pages that the kernel can evict; from `mappings`
    untouched: Untouched | None  # null if it is little, or not known
    copied: CopiedPages | None = None  # null if it is little, or not known
    out_of_memory: OutOfMemory | None = None  # null if no process ran out of memory, as far as the records say
    next_runs: list[NextRun]  # what to run next, the most useful first
    total_bytes: int  # the sum of the RSS of all processes at their last readings; shared pages count in each
