"""The checksum of frames: CRC-32 as in zlib. The core has one too, so that the traced process need not load zlib."""

from __future__ import annotations

from .. import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _function() -> Callable[[bytes], int]:
    compiled = core.load()[0]
    if compiled is not None and hasattr(compiled, "crc32"):
        found: Callable[[bytes], int] = compiled.crc32
        return found
    from zlib import crc32

    return crc32


crc32 = _function()
