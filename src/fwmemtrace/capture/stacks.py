"""Makes stacks readable: what is plumbing is folded away, and who asked for the memory is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from .. import results
from ..packages import package_of
from .library_names import ARENAS, is_general, library_by_name, library_of
from .own_frames import is_ours
from .short_names import short_name

RawFrame: TypeAlias = tuple[str, str, int]  # function, file, line
# The same and the path of the library; in a readable stack the library's name. None for Python's, and where not known.
WholeFrame: TypeAlias = tuple[str, str, int, str | None]
IMPORT: WholeFrame = ("<import>", "<frozen importlib>", 0, None)
UNKNOWN = "<unknown>"
_PYTHON_FRAME = "_PyEval_EvalFrameDefault"
_NAMES = 4096  # as many are kept: the same functions are in most stacks

# What every allocation goes through, whoever asked for it.
_ALLOCATES = re.compile(
    r"(c10::(alloc_cpu|.*Allocator|.*StorageImpl|intrusive)|operator new|std::|__gnu_cxx|posix_memalign|"
    r"_?Py(Mem|Object)_\w*([mM]alloc|[cC]alloc|[rR]ealloc|Arena\w*)|pymalloc|new_arena|allocate_from_new_pool|"
    r"gc_alloc|_?PyObject_(GC_)?New|_?PyType_(Generic)?Alloc|(default|wrap)_(m|c|re)alloc|PyDataMem|"
    r"__rust_|_?alloc::|__rdl_|je_|mi_|mm_\w*malloc|mkl_serv_\w*alloc|gomp_\w*alloc)"
)
# Python's allocator takes an arena for whatever objects come; for whose it was taken is an accident.
_ARENA = re.compile(r"new_arena$|_Py(Object|Mem)_Arena")
# How the interpreter gets from one Python frame to the next, and how the program was started.
_CALLS = re.compile(
    r"(_?PyEval_|_?PyVectorcall|_?PyObject_(Fast|Vector|Make|Call)|PyObject_Call|call_trace|trace_|do_call_core|cfunction_|"
    r"method_vectorcall|method_call|slot_tp_|type_call|vectorcall_|object_vacall|_?PyFunction_|_?PyMethod|partial_|"
    r"run_eval_code_obj|run_mod|pyrun_|_?PyRun_|pymain_|Py_RunMain|Py_BytesMain|__libc_start|_start$|main$|thread_run|"
    r"pythread_wrapper|start_thread|__?clone|c10::impl::(wrap_kernel|make_boxed|BoxedKernel)|lookup_maybe_method|"
    r"property_descr_get|wrapper_|gen_send|gen_iternext|builtin___import__|PyImport_|import_|exec_code_in_module)"
)
_OPERATOR = re.compile(r"at::_ops::(\w+?)::(call|redispatch)\(")
_OVERLOAD = re.compile(r"_(?=[A-Z]).*|_(memory_format|out|vec|default|self|int|dim)$")
_STANDARD = re.compile(r".*/lib(?:64)?/python3\.\d+/|<frozen |<string>|<__array_function__|<fwmemtrace>")


class Readable(NamedTuple):
    """A stack as it is shown.

    Attributes:
        frames: innermost first, plumbing folded.
        library: whose native code asked for the memory, where native frames tell.
        operator: torch's operator that the innermost Python frame called, such as "aten::mm".
        package: the installed package of the innermost Python frame that is in one.
        caller: the innermost frame of the program's own code.
    """

    frames: list[WholeFrame]
    library: str | None
    operator: str | None
    package: str | None
    caller: RawFrame | None


def readable(python: Iterable[RawFrame], whole: Iterable[WholeFrame] | None = None) -> Readable:
    """Make a stack readable.

    Args:
        python: its Python frames, innermost first.
        whole: all its frames, if native ones were recorded.
    """
    python = list(python)
    known = set(python)
    frames: list[WholeFrame] = []
    native: list[WholeFrame] = []  # inside the innermost Python frame
    operator: str | None = None
    in_python = False
    for frame in [(*each, None) for each in python] if whole is None else whole:
        function, file, line, path = frame
        if path is None and (function, file, line) in known:
            in_python = True
            _append(frames, IMPORT if file.startswith("<frozen importlib") else frame)
            continue
        if not in_python:
            native.append(frame)
            found = _OPERATOR.search(function)
            if found is not None:
                operator = f"aten::{_OVERLOAD.sub('', found[1])}"
        if not _CALLS.match(function):
            name = short_name(function)
            _append(frames, (name, file, line, _library(name, file, path)))
    package = next(filter(None, (package_of(file) for _, file, _ in python)), None)
    caller = next((frame for frame in python if _is_own(frame[1])), None)
    return Readable(frames, asking(native), operator, package, caller)


def asking(native: Iterable[WholeFrame]) -> str | None:
    """The library that asked for the memory; None where nothing tells.

    Args:
        native: C and C++ frames, innermost first. Those from the interpreter's next frame on are not looked at.
    """
    library: str | None = None
    allocator: str | None = None
    strange = False
    for function, file, _, path in native:
        if _PYTHON_FRAME in function:
            break
        name = short_name(function)
        if _ARENA.match(name):
            return ARENAS
        told = _library(name, file, path)
        if allocates(name):
            allocator = allocator or told
        elif told is None:
            # Whoever is around a frame that nothing tells the library of may be its own, or the interpreter.
            strange = True
        elif not (strange and is_general(told)):
            # An object of Python's that a library asked for is the library's, a buffer of a library's is its own.
            library = told
            if not is_general(told):
                break
    return library if library is not None or strange else allocator


@lru_cache(_NAMES)
def allocates(function: str) -> bool:
    """Whether a function of that short name only allocates for whoever called it."""
    return _ALLOCATES.match(function) is not None


def telling(stack: Sequence[results.Frame], count: int) -> list[results.Frame]:
    """So many frames of a stack: the innermost that asked for itself, and the next ones, Python's if there are any."""

    def is_python(frame: results.Frame) -> bool:
        return frame.library is None and frame.file.endswith((".py", ">"))

    asked = next((place for place, frame in enumerate(stack) if is_python(frame) or not allocates(frame.function)), 0)
    around = stack[asked + 1 :]
    return [*stack[asked : asked + 1], *([frame for frame in around if is_python(frame)] or around)[: count - 1]]


def package_of_stack(python: Iterable[RawFrame]) -> str:
    """Whose code a Python stack ends in: an installed package, "python" for the standard library, "program" else."""
    for _, file, _ in python:
        package = package_of(file)
        if package:
            return package
        if _is_own(file):
            return "program"
    return "python"


def _append(frames: list[WholeFrame], frame: WholeFrame) -> None:
    """Add a frame, but not ours, nor again what says nothing more: import machinery, and what has no name."""
    again = bool(frames) and frames[-1] == frame and frame[0] in (IMPORT[0], UNKNOWN)
    if not again and not is_ours(frame[1]):
        frames.append(frame)


def _library(name: str, file: str, path: str | None) -> str | None:
    return library_by_name(name, file) if path is None else library_of(path)


def _is_own(file: str) -> bool:
    return not (package_of(file) or _STANDARD.match(file) or is_ours(file))
