"""What all records share, and the version of the schema that they belong to."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

SCHEMA_VERSION = 1

AttributeValue: TypeAlias = str | int | float | bool


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The base class of records. `kind` is the number of the class in a frame of the trace file."""

    kind: ClassVar[int] = 0
