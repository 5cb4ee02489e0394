"""The records of a memray capture by the compiled core's parser, where that is there and knows the capture's format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .. import core
from .native_records import StackKey

if TYPE_CHECKING:
    from ..core._compiled import CaptureParser

_Numbers: TypeAlias = dict[StackKey, int]


def parser_for(path: Path) -> CaptureParser | None:
    """Return a parser of a capture, None where memray has to read it by itself.

    That is so without the core, and for a capture that is not exactly as versions 12 and 13 of the format have it: one
    of a process that was killed, a truncated or an aggregated one.
    """
    compiled, _ = core.load()
    if compiled is None:
        return None
    try:
        parser: CaptureParser = compiled.CaptureParser(path)
    except ValueError:
        return None
    return parser


@contextmanager
def outline_of(parser: CaptureParser, keys: Iterable[StackKey] | None) -> Iterator[tuple[str, _Numbers]]:
    """Yield the path of a capture without allocations, from which memray resolves the Python stacks of these keys.

    It is a file in memory that vanishes when it is closed.

    Args:
        parser: of the whole capture.
        keys: of the stacks; None for all, which then have the same numbers there.

    Yields:
        The path, and the number of the stack there by its key in the whole capture.
    """
    outline, numbers = parser.outline(keys)
    with open(os.memfd_create("outline"), "wb") as file:
        file.write(outline)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}", numbers
