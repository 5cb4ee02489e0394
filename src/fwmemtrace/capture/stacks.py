"""Makes stacks readable: folds plumbing away, and names the library, operator and package that requested the memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from .. import results
from ..packages import package_of
from .frames import LOOP, UNKNOWN, HybridFrame, PythonFrame
from .library_names import ARENAS, is_general, library_by_name, library_of
from .own_frames import is_ours, is_program_code
from .short_names import short_name

IMPORT: HybridFrame = ("<import>", "<frozen importlib>", 0, None)
_CACHED = 4096  # names: the same functions are in most stacks
_FRAMES = 65_536

# Functions that allocate on behalf of their callers.
_ALLOCATES = re.compile(
    r"(c10::(alloc_cpu|.*Allocator|.*StorageImpl|intrusive)|operator new|std::|__gnu_cxx|posix_memalign|"
    r"_?Py(Mem|Object)_\w*([mM]alloc|[cC]alloc|[rR]ealloc|Arena\w*)|pymalloc|new_arena|allocate_from_new_pool|"
    r"gc_alloc|_?PyObject_(GC_)?New|_?PyType_(Generic)?Alloc|(default|wrap)_(m|c|re)alloc|PyDataMem|"
    r"__rust_|_?alloc::|__rdl_|je_|mi_|mm_\w*malloc|mkl_serv_\w*alloc|gomp_\w*alloc)"
)
# Python's allocator takes an arena for all objects to come; whose object came first is accidental.
_ARENA = re.compile(r"new_arena$|_Py(Object|Mem)_Arena")
# Functions of the interpreter between one Python frame and the next, and those that start the program.
_CALLS = re.compile(
    r"(_?PyEval_|_?PyVectorcall|_?PyObject_(Fast|Vector|Make|Call)|PyObject_Call|call_trace|trace_|do_call_core|cfunction_|"
    r"method_vectorcall|method_call|slot_tp_|type_call|vectorcall_|object_vacall|_?PyFunction_|_?PyMethod|partial_|"
    r"run_eval_code_obj|run_mod|pyrun_|_?PyRun_|pymain_|Py_RunMain|Py_BytesMain|__libc_start|_start$|main$|thread_run|"
    r"pythread_wrapper|start_thread|__?clone|c10::impl::(wrap_kernel|make_boxed|BoxedKernel)|lookup_maybe_method|"
    r"property_descr_get|wrapper_|gen_send|gen_iternext|builtin___import__|PyImport_|import_|exec_code_in_module)"
)
_OPERATOR = re.compile(r"at::_ops::(\w+?)::(call|redispatch)\(")
_OVERLOAD = re.compile(r"_(?=[A-Z]).*|_(memory_format|out|vec|default|self|int|dim)$")


class ReadableStack(NamedTuple):
    """A stack as it is shown.

    Attributes:
        frames: innermost first, plumbing folded.
        library: the library whose native code requested the memory, if native frames show it.
        operator: the torch operator that the innermost Python frame called, such as "aten::mm".
        package: the installed package of the innermost Python frame that is in one.
        caller: the innermost frame of the program's own code.
    """

    frames: list[HybridFrame]
    library: str | None
    operator: str | None
    package: str | None
    caller: PythonFrame | None


def make_readable(python: Iterable[PythonFrame], hybrid: Iterable[HybridFrame] | None = None) -> ReadableStack:
    """Make a stack readable.

    Args:
        python: its Python frames, innermost first.
        hybrid: its Python and native frames, innermost first, where native ones were recorded.
    """
    python = list(python)
    hybrid = None if hybrid is None else list(hybrid)
    native = [] if hybrid is None else _before_python(hybrid, set(python))
    operators = [found for found in (_OPERATOR.search(function) for function, *_ in native) if found is not None]
    return ReadableStack(
        frames=readable_frames(python, hybrid),
        library=requesting_library(native),
        operator=f"aten::{_OVERLOAD.sub('', operators[-1][1])}" if operators else None,
        package=next(filter(None, (package_of(file) for _, file, _ in python)), None),
        caller=next((frame for frame in python if is_program_code(frame[1])), None),
    )


def readable_frames(python: Iterable[PythonFrame], hybrid: Iterable[HybridFrame] | None = None) -> list[HybridFrame]:
    """Return the frames of a stack as they are shown, innermost first: alone, this takes far less than `make_readable`.

    Frames of import machinery and frames without a name are shown once in a row, and those that are plumbing never.
    """
    frames: list[HybridFrame] = []
    if hybrid is None:
        shown = [_python_frame(*frame) for frame in python]
    else:
        known = set(python)
        shown = [_python_frame(*frame[:3]) if _is_python(frame, known) else _native_frame(*frame) for frame in hybrid]
    for frame in shown:
        if frame is not None and not (frames and frames[-1] == frame and frame[0] in (IMPORT[0], UNKNOWN)):
            frames.append(frame)
    return frames


@lru_cache(_FRAMES)
def _python_frame(function: str, file: str, line: int) -> HybridFrame | None:
    if file.startswith("<frozen importlib"):
        return IMPORT
    return None if is_ours(file) else (function, file, line, None)


@lru_cache(_FRAMES)
def _native_frame(function: str, file: str, line: int, path: str | None) -> HybridFrame | None:
    if _CALLS.match(function):
        return None
    name = short_name(function)
    return name, file, line, _library(name, file, path)


def _is_python(frame: HybridFrame, known: set[PythonFrame]) -> bool:
    return frame[3] is None and frame[:3] in known


def _before_python(hybrid: list[HybridFrame], known: set[PythonFrame]) -> list[HybridFrame]:
    """Return the native frames inside the innermost Python frame."""
    return list(takewhile(lambda frame: not _is_python(frame, known), hybrid))


def requesting_library(native: Iterable[HybridFrame]) -> str | None:
    """Return the name of the library that requested the memory, None if it is unknown.

    Args:
        native: C and C++ frames, innermost first, up to the interpreter's next frame; those behind it are ignored.
    """
    library: str | None = None
    allocator: str | None = None
    nameless = False  # whether a frame of an unknown library was passed
    for function, file, _, path in native:
        if LOOP in function:
            break
        name = short_name(function)
        if _ARENA.match(name):
            return ARENAS
        owner = _library(name, file, path)
        if allocates(name):
            allocator = allocator or owner
        elif owner is None:
            # The frames around one of an unknown library may be that library's, or the interpreter's that called it.
            nameless = True
        elif not (nameless and is_general(owner)):
            # A Python object that a library asked the interpreter for counts as the library's.
            library = owner
            if not is_general(owner):
                break
    return library if library is not None or nameless else allocator


@lru_cache(_CACHED)
def allocates(function: str) -> bool:
    """Return whether a function, by its short name, only allocates on behalf of its caller."""
    return _ALLOCATES.match(function) is not None


def informative_frames(stack: Sequence[results.Frame], count: int) -> list[results.Frame]:
    """Return up to `count` frames of a stack, the most informative ones.

    These are the innermost frame that is not part of an allocator, and the next ones around it: those of Python, if
    there are any.
    """

    def is_python(frame: results.Frame) -> bool:
        return frame.library is None and frame.file.endswith((".py", ">"))

    first = next((place for place, frame in enumerate(stack) if is_python(frame) or not allocates(frame.function)), 0)
    around = stack[first + 1 :]
    return [*stack[first : first + 1], *([frame for frame in around if is_python(frame)] or around)[: count - 1]]


def package_of_stack(python: Iterable[PythonFrame]) -> str:
    """Return the package whose code a Python stack ends in, or "python" (the standard library) or "program"."""
    for _, file, _ in python:
        package = package_of(file)
        if package:
            return package
        if is_program_code(file):
            return "program"
    return "python"


def _library(name: str, file: str, path: str | None) -> str | None:
    return library_by_name(name, file) if path is None else library_of(path)
