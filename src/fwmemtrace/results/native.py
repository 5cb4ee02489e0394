"""Results of the probe `native`: allocations by phase and by stack, from memray's capture."""

from __future__ import annotations

from .base import Result


class Frame(Result, omit_defaults=True):
    """One frame of a stack."""

    function: str  # name, demangled; "<unknown>" if its library has no symbol for it
    file: str  # path as the interpreter or the debug information has it; "" if not known
    line: int  # line number; 0 if not known
    library: str | None = None  # library of a C or C++ frame, such as "libtorch_cpu.so"; absent for Python frames


class NativeSite(Result, kw_only=True):
    """One stack that allocated."""

    live_bytes: int  # not freed when the capture ended
    allocated_bytes: int  # all allocations
    allocations: int  # number of allocations
    library: str | None  # the library that called the allocator; null without native frames
    stack: list[Frame]  # innermost first
    at_peak_bytes: int = 0  # live when the live bytes of the phase were at their peak
    operator: str | None = None  # the torch operator that allocated, such as "aten::mm"; needs native frames
    package: str | None = None  # installed package of the innermost Python frame that is in one
    caller: Frame | None = None  # innermost frame of the program's own code


class NativeTotals(Result, kw_only=True):
    """Native allocations of a phase."""

    allocated_bytes: int = 0  # all allocations, mapped files included
    allocations: int = 0  # number of allocations
    freed_bytes: int = 0  # freed while the phase ran, whichever phase had allocated it
    held_bytes: int = 0  # allocated by the phase and not freed when it ended
    live_bytes: int = 0  # allocated by the phase and not freed when the capture ended
    peak_bytes: int = 0  # the most of its own allocations that was live at once
    file_backed_bytes: int = 0  # mapped from files and not unmapped when the capture ended; not in `live_bytes`


class Native(NativeTotals, kw_only=True):
    """Native allocations of a phase without the phases inside it, so that rows add up to the totals of the capture."""

    including_inner: NativeTotals  # the same figures with the phases inside it
    top: list[NativeSite]  # the stacks with the most live bytes
    ambient_bytes: int = 0  # part of `allocated_bytes`: by threads that had no phase of their own
    ambient_allocations: int = 0  # number of these allocations
    reserved_bytes: int = 0  # part of `live_bytes`: address space without access (PROT_NONE), which takes no memory
    temporary_bytes: int = 0  # part of `allocated_bytes`: freed before the call of the phase ended
    freed_later: dict[str, int] = {}  # part of `held_bytes`: freed afterwards, by the path of the phase that freed it
    at_peak: list[NativeSite] = []  # the stacks with the most live bytes at the peak
    by_package: dict[str, int] = {}  # live bytes by package of the Python code; "" is the sum of many small stacks
    by_library: dict[str, int] = {}  # live bytes by library of the C or C++ code; needs native frames
