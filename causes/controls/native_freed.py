"""A C library's buffers, each freed."""

import ctypes
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def decode(request: int) -> None:
    """Take a buffer and free it."""
    buffer = libc.malloc(800_000)
    libc.memset(buffer, request % 256, 800_000)
    libc.free(buffer)


for request in range(150):
    decode(request)
    time.sleep(0.008)
