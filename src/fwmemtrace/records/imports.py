"""Imports of modules."""

from __future__ import annotations

from typing import ClassVar

from .base import Record


class ModuleImport(Record, frozen=True, gc=False):
    """A module was imported or reloaded, or failed to be."""

    kind: ClassVar[int] = 40

    span: int
    module: str
    parent: str | None  # the module that imports it, while being imported itself; None if there is none
    asked_by: str  # "module:line" of the import statement, if `parent` is None
    depth: int  # the number of imports around it in its thread
    thread_id: int
    time_ns: int  # when it began
    own_bytes: int  # the change in RSS while this module's own code ran
    cumulative_bytes: int  # including the modules that it imported first
    own_ns: int
    cumulative_ns: int
    file: str | None = None
    error: str | None = None  # the exception's type
    reload: bool = False
    own_file: str = ""  # the nearest line of the program's own code that led to it; "" for the same as `parent`'s
    own_line: int = 0
