"""How a process ran out of memory, as the first sentence of its report."""

from __future__ import annotations

from .. import results
from ..analysis.causes import is_own_phase
from .blocks import Alarm, Bytes, Code, Inline
from .cause_words import cause_source


def out_of_memory_sentence(found: results.OutOfMemory) -> list[Inline]:
    """Returns what filled the memory, how fast, in which phase, and what the limit was."""
    where: list[Inline] = [" in ", Code(found.path)] if is_own_phase(found.path) else []
    ran = "ran out of memory" if found.certain else "most likely ran out of memory"
    words: list[Inline] = [f"Process {found.pid} ", Alarm(ran), *where, ": "]
    peak: list[Inline] = ["the peak RSS of ", Bytes(found.peak_bytes)]
    if found.cause is None:
        words += ["its peak RSS was ", Bytes(found.peak_bytes)]
    else:
        words += [Bytes(found.cause.bytes), " of ", *peak, *cause_source(found.cause)]
    if found.bytes_per_second > 0:
        words += [", rising by ", Bytes(found.bytes_per_second), "/s at the end"]
    return [*words, *_limit(found), "."]


def _limit(found: results.OutOfMemory) -> list[Inline]:
    if found.limit_bytes is None or found.used_bytes is None:
        return []
    of: list[Inline] = [Bytes(found.used_bytes), " of its limit of ", Bytes(found.limit_bytes)]
    if found.limit == "RLIMIT_AS":
        return ["; the address space used ", *of, " (RLIMIT_AS)"]
    if found.limit_group is None:
        return ["; the control group used ", *of]
    return ["; the control group ", Code(found.limit_group), " around it used ", *of]
