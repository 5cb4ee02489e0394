"""Makes stacks readable: what is plumbing is folded away, and who asked for the memory is named.

memray gives C and C++ frames with a symbol and, where there is debug information, a source file; not the library that
they are in. So libraries are told by the symbols' own namespaces and prefixes, and by CPython's and glibc's source
paths; what neither tells has no library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

RawFrame: TypeAlias = tuple[str, str, int]  # function, file, line
IMPORT: RawFrame = ("<import>", "<frozen importlib>", 0)

# By the beginning of a symbol without its return type. The first that fits is taken.
_LIBRARIES = (
    (re.compile(r"torch::autograd::THP|THP|torch::.*python|pybind11::"), "libtorch_python.so"),
    (re.compile(r"c10::cuda|at::cuda|at::native::.*cuda|torch::cuda"), "libtorch_cuda.so"),
    (re.compile(r"c10::"), "libc10.so"),
    (re.compile(r"at::|torch::|caffe2::|dnnl|mkldnn|mkl_|ideep::|fbgemm|gloo::"), "libtorch_cpu.so"),
    (re.compile(r"PyArray|PyDataMem|PyUFunc|npy_|_?array_|ufunc_|(default|wrap)_(m|c|re)alloc"), "numpy"),
    (re.compile(r"<?tokenizers::"), "tokenizers"),
    (re.compile(r"<?(safetensors|memmap2|safetensors_rust)::"), "safetensors"),
    (re.compile(r"onnxruntime::"), "onnxruntime"),
    (re.compile(r"arrow::"), "pyarrow"),
    (re.compile(r"grpc_|grpc::|grpc_core::"), "grpc"),
    (re.compile(r"sqlite3"), "libsqlite3.so"),
    (re.compile(r"gomp_|GOMP_"), "libgomp.so"),
    (re.compile(r"__kmp|kmp_|omp_"), "libomp.so"),
    (re.compile(r"_?Py[A-Z_]|_PyPegen|PyInit_"), "CPython"),
    (re.compile(r"std::|operator |__cxa|__gnu_cxx::"), "libstdc++.so"),
)
_GENERAL = (None, "CPython", "libstdc++.so", "libc.so")
_CPYTHON_SOURCE = re.compile(r"(\./|/.*/)?(Objects|Python|Parser|Modules|Include|Programs)/[\w/]+\.[ch](\.h)?$")
_GLIBC_SOURCE = re.compile(r"(\.\./)?(\./)?(sysdeps|csu|malloc|nptl|stdlib|elf|string|dlfcn|iconv|intl|time)/")
# What every allocation goes through, whoever asked for it.
_ALLOCATES = re.compile(
    r"(c10::(alloc_cpu|.*Allocator|.*StorageImpl|intrusive)|operator new|std::|__gnu_cxx|"
    r"_?Py(Mem|Object)_\w*([mM]alloc|[cC]alloc|[rR]ealloc|Arena\w*)|pymalloc|new_arena|allocate_from_new_pool|__rust_|_?alloc::|__rdl_|je_|mi_|posix_memalign|"
    r"(default|wrap)_(m|c|re)alloc|PyDataMem)"
)
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
# Rust's mangling comes through a C++ demangler with these in it, and with a hash at the end.
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
_RUST_ESCAPES = (("..", "::"), ("$LT$", "<"), ("$GT$", ">"), ("$u20$", " "), ("$RF$", "&"), ("$BP$", "*"), ("$C$", ","))
_RUST_METHOD = re.compile(r"<([^<>]+?)(?:<.*?>)?(?: as .*)?>::(\w+)$")
_PACKAGE = re.compile(r".*/(?:site|dist)-packages/([^/]+)")
_STANDARD = re.compile(r".*/lib(?:64)?/python3\.\d+/|<frozen |<string>|<__array_function__|<fwmemtrace>")
_OURS = re.compile(r".*/fwmemtrace/(?:phases|edges|session|probes/\w+)\.py$")


class Readable(NamedTuple):
    """A stack as it is shown.

    Attributes:
        frames: innermost first, plumbing folded.
        library: whose native code asked for the memory, where native frames tell.
        operator: torch's operator that the innermost Python frame called, such as "aten::mm".
        package: the installed package of the innermost Python frame that is in one.
        caller: the innermost frame of the program's own code.
    """

    frames: list[RawFrame]
    library: str | None
    operator: str | None
    package: str | None
    caller: RawFrame | None


def readable(python: Iterable[RawFrame], whole: Iterable[RawFrame] | None = None) -> Readable:
    """Make a stack readable.

    Args:
        python: its Python frames, innermost first.
        whole: all its frames, if native ones were recorded.
    """
    python = list(python)
    known = set(python)
    frames: list[RawFrame] = []
    library: str | None = None
    operator: str | None = None
    in_python = strange = False
    for frame in python if whole is None else whole:
        function, file, line = frame
        if frame in known:
            in_python = True
            _append(frames, IMPORT if file.startswith("<frozen importlib") else frame)
            continue
        if not in_python:
            name = short_name(function)
            # An object of Python's that a library asked for is the library's, a buffer of a library's is its own.
            if library in _GENERAL and not _ALLOCATES.match(name):
                told = _library(name, file)
                strange = strange or told is None
                # Whoever is around a frame that nothing tells the library of may be its own, or the interpreter.
                if told is not None and not (strange and told in _GENERAL):
                    library = told
            found = _OPERATOR.search(function)
            if found is not None:
                operator = f"aten::{_OVERLOAD.sub('', found[1])}"
        if not _CALLS.match(function):
            _append(frames, (short_name(function), "" if file == "<unknown>" else file, line))
    if library is None and whole is not None and not strange:
        library = next((told for frame in frames if (told := _library(frame[0], frame[1])) is not None), None)
    package = next((found[1] for frame in python if (found := _PACKAGE.match(frame[1])) is not None), None)
    caller = next((frame for frame in python if _is_own(frame[1])), None)
    return Readable(frames, library, operator, package, caller)


def package_of(python: Iterable[RawFrame]) -> str:
    """Whose code a Python stack ends in: an installed package, "python" for the standard library, "program" else."""
    for _, file, _ in python:
        found = _PACKAGE.match(file)
        if found is not None:
            return found[1].removesuffix(".py")
        if _is_own(file):
            return "program"
    return "python"


def _append(frames: list[RawFrame], frame: RawFrame) -> None:
    if not _OURS.match(frame[1]) and not (frames and frames[-1] == frame == IMPORT):
        frames.append(frame)


def _is_own(file: str) -> bool:
    return not (_PACKAGE.match(file) or _STANDARD.match(file) or _OURS.match(file))


def _library(name: str, file: str) -> str | None:
    if file and file != "<unknown>":
        if _CPYTHON_SOURCE.match(file):
            return "CPython"
        if _GLIBC_SOURCE.match(file):
            return "libc.so"
    return next((library for pattern, library in _LIBRARIES if pattern.match(name)), None)


def short_name(symbol: str) -> str:
    """A demangled symbol without template arguments, parameters and return type, as people call the function.

    >>> short_name("void at::native::fill_<long>(at::Tensor&, c10::Scalar const&)")
    'at::native::fill_'
    >>> short_name("(anonymous namespace)::grow(unsigned long) [clone .isra.0]")
    '(anonymous namespace)::grow'
    >>> short_name("operator new(unsigned long)"), short_name("tokenizers::models::load::h0123456789abcdef")
    ('operator new', 'tokenizers::models::load')
    >>> short_name("_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..clone..Clone$GT$::clone::h0123456789abcdef")
    'alloc::vec::Vec::clone'
    """
    if "$" in symbol:
        for escaped, meant in _RUST_ESCAPES:
            symbol = symbol.replace(escaped, meant)
        symbol = symbol.removeprefix("_") if symbol.startswith("_<") else symbol
    symbol = _RUST_HASH.sub("", symbol.replace("(anonymous namespace)", "{anonymous}"))
    method = _RUST_METHOD.match(symbol)
    if method is not None:
        symbol = f"{method[1]}::{method[2]}"
    if "operator" in symbol:
        name = symbol.partition("(")[0] or symbol
    else:
        kept = []
        depth = 0
        for char in symbol:
            if char == "<":
                depth += 1
            elif char == ">":
                depth -= 1
            elif depth == 0:
                if char == "(":
                    break
                kept.append(char)
        name = "".join(kept).rpartition(" ")[2] or symbol
    return name.replace("{anonymous}", "(anonymous namespace)")
