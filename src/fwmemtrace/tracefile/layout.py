"""The constants of trace.bin. docs/trace-format.md is generated from them.

A file is a header, then frames:

    header  magic, format version, byte-order mark, pid, lost records
    frame   payload length, kind, payload (MessagePack array), CRC-32 of the three before it
"""

from __future__ import annotations

import struct

MAGIC = b"fwmtrace"
FORMAT_VERSION = 1
BYTE_ORDER_MARK = 0xFEFF  # 0xFFFE in a file of the other byte order
HEADER = struct.Struct("<8sHHII")  # magic, format version, byte-order mark, pid, number of records that were lost
HEADER_LOST = struct.Struct("<I")  # records for which there was no room; kept up to date while there is none
HEADER_LOST_AT = HEADER.size - HEADER_LOST.size
FRAME_HEAD = struct.Struct("<IH")  # payload length, kind
FRAME_CRC = struct.Struct("<I")
FRAME_OVERHEAD = FRAME_HEAD.size + FRAME_CRC.size
MAX_PAYLOAD = 16 * 2**20  # a longer length is damage; records are far smaller, and a capture comes in pieces of 1 MiB
MAX_RESERVED = 2**20  # bytes that may follow the last frame: reserved for the next ones, which begin with their length
HEAP_SUFFIX = ".heap"  # of the tables of the sampled heap next to a trace file
PART_SUFFIX = ".part-"  # and a number: further parts of a trace whose size is limited
CAPTURE_SUFFIX = ".memray"  # of memray's capture next to a trace file


def part_path(path: str, number: int) -> str:
    """Return the path of a further part of a trace whose size is limited, such as `trace.bin.part-2`."""
    return f"{path}{PART_SUFFIX}{number}"
