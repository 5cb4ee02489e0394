"""Readings that do not come from fwmemtrace, and the truth that a program prints about itself.

A program imports this before its cause, so modules that cost memory are imported where they are needed.
"""

import os


def rss() -> int:
    """Returns the RSS of this process in bytes, from /proc/self/statm."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """Returns the peak RSS of this process in bytes, VmHWM of /proc/self/status."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def rollup(key: str) -> int:
    """Returns a row of /proc/self/smaps_rollup in bytes, such as `Private_Dirty`."""
    with open("/proc/self/smaps_rollup") as rows:
        return next(int(row.split()[1]) * 1024 for row in rows if row.startswith(key + ":"))


def mapped_rss(address: int, length: int) -> int:
    """Returns the RSS in bytes of the mappings that overlap this range, from /proc/self/smaps."""
    total, inside = 0, False
    with open("/proc/self/smaps") as rows:
        for row in rows:
            key, *values = row.split()
            if "-" in key:
                begin, end = (int(edge, 16) for edge in key.split("-"))
                inside = begin < address + length and address < end
            elif inside and key == "Rss:":
                total += int(values[0]) * 1024
    return total


def malloc_in_use() -> int:
    """Returns the bytes in blocks of glibc that are in use, from mallinfo2."""
    used, in_mappings, _ = _mallinfo()
    return used + in_mappings


def malloc_free() -> int:
    """Returns the bytes in freed blocks that glibc has not returned to the kernel, from mallinfo2."""
    return _mallinfo()[2]


def _mallinfo() -> tuple[int, int, int]:
    """uordblks, hblkhd and fordblks; without a Structure, which would stay as garbage in the program."""
    import ctypes

    words = ctypes.c_size_t * 10
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = type("Mallinfo2", (ctypes.Structure,), {"_fields_": [("words", words)]})
    fields = mallinfo2().words
    return fields[7], fields[4], fields[8]


def tell(kind: str, size: int, names: tuple[str, ...] = (), words: str = "") -> None:
    """Print the truth as JSON, on a line of its own.

    Args:
        kind: what holds the memory, in words.
        size: how much it is, in bytes, by one of the readings above or the size of what is kept.
        names: names that would name the cause, besides the function and the lines marked `# cause`.
        words: a pattern that the report must also match, where the function alone does not name the cause.
    """
    import json

    print(json.dumps({"kind": kind, "bytes": size, "names": names, "words": words}))
