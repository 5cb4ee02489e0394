"""Names the library of a C or C++ frame as people call it: "libtorch_cpu.so", "numpy", "CPython".

The path of the library tells, where it is known (see capture/native_frames.py). Elsewhere namespaces and prefixes of
symbols do, and the source paths of CPython and glibc; a frame that none of them fits has no library.
"""

from __future__ import annotations

import re
from functools import cache

from ..packages import is_interpreter, package_of

CPYTHON, LIBC, CPLUSPLUS = "CPython", "libc.so", "libstdc++.so"
ARENAS = "CPython arenas"  # of Python's own allocator, each 1 MiB, for objects of up to 512 bytes
UNKNOWN_LIBRARY = "unknown"
# Libraries that allocate on behalf of their callers.
_GENERAL = (CPYTHON, LIBC, CPLUSPLUS, "libgcc_s.so", "libjemalloc", "libtcmalloc", "libmimalloc")

_GLIBC = re.compile(r"(libc|libm|libdl|librt|libpthread|ld-linux|ld-musl|ld)[.-]")
# What build tools add to a library's name: a hash of its contents, the interpreter it is for, its version.
_ADDED = re.compile(r"((-[0-9a-f]{8})+|\.cpython-[\w-]+|\.abi3)(?=\.so)|(?<=\.so)[.\d]+$")

# By the beginning of a symbol without its return type; the first match counts.
_BY_SYMBOL = (
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
    (re.compile(r"_?Py[A-Z_]|_PyPegen|PyInit_"), CPYTHON),
    (re.compile(r"std::|operator |__cxa|__gnu_cxx::"), CPLUSPLUS),
)
_CPYTHON_SOURCE = re.compile(r"(\./|/.*/)?(Objects|Python|Parser|Modules|Include|Programs)/[\w/]+\.[ch](\.h)?$")
_GLIBC_SOURCE = re.compile(r"(\.\./)?(\./)?(sysdeps|csu|malloc|nptl|stdlib|elf|string|dlfcn|iconv|intl|time)/")


def is_general(library: str | None) -> bool:
    """Return whether a library allocates on behalf of others, so that its caller is more informative."""
    return library is None or library.startswith(_GENERAL)


@cache
def library_of(path: str) -> str:
    """Return what people call the library at a path; extension modules go by the name of their package.

    >>> library_of("/venv/lib/python3.11/site-packages/torch/lib/libtorch_cpu.so")
    'libtorch_cpu.so'
    >>> library_of("/venv/lib/python3.11/site-packages/numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so")
    'numpy'
    >>> library_of("/venv/lib/python3.11/site-packages/scikit_learn.libs/libgomp-a34b3233.so.1.0.0")
    'libgomp.so'
    >>> library_of("/usr/lib/libpython3.11.so.1.0"), library_of("/lib/x86_64-linux-gnu/libc.so.6")
    ('CPython', 'libc.so')
    """
    name = path.rpartition("/")[2]
    if is_interpreter(path):
        return CPYTHON
    if _GLIBC.match(name):
        return LIBC
    package = package_of(path)
    if package and not name.startswith("lib"):
        return package
    return _ADDED.sub("", name)


def library_by_name(function: str, source: str) -> str | None:
    """Return the library of a frame by its short name and its source file, None if these do not identify it."""
    if source:
        if _CPYTHON_SOURCE.match(source):
            return CPYTHON
        if _GLIBC_SOURCE.match(source):
            return LIBC
    return next((library for pattern, library in _BY_SYMBOL if pattern.match(function)), None)
