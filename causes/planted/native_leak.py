"""A leak in C: a library's function allocates with malloc, and nobody frees."""

import ctypes
import time

from causes.truth import malloc_in_use, tell

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def decode(request: int) -> None:
    """Take a buffer for each of a request's frames."""
    for _ in range(16):
        buffer = libc.malloc(50_000)
        libc.memset(buffer, request % 256, 50_000)  # cause


before = malloc_in_use()
for request in range(150):
    decode(request)
    time.sleep(0.01)
tell("malloc in a C library", malloc_in_use() - before)
