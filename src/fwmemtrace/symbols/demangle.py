"""Names of C++ functions as their source has them."""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache

_CACHED = 65_536


@lru_cache(_CACHED)
def demangled(symbol: str) -> str:
    """Return the name of a function of C++ as its source has it, where the C++ library is installed."""
    if not symbol.startswith("_Z"):
        return symbol
    demangler = _demangler()
    if demangler is None:
        return symbol
    demangle, free = demangler
    status = ctypes.c_int()
    text = demangle(symbol.encode(errors="surrogateescape"), None, None, ctypes.byref(status))
    if not text:
        return symbol
    try:
        return ctypes.string_at(text).decode(errors="replace")
    finally:
        free(text)


@cache
def _demangler() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer] | None:
    try:
        demangle = ctypes.CDLL("libstdc++.so.6").__cxa_demangle
        free = ctypes.CDLL(None).free
    except (OSError, AttributeError, TypeError):  # TypeError: on Windows
        return None
    demangle.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    demangle.restype = ctypes.c_void_p
    free.argtypes = (ctypes.c_void_p,)
    free.restype = None
    return demangle, free
