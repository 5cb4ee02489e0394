"""Lists the entries of a suite, in a process of its own: reading a suite may import anything."""

from __future__ import annotations

from typing import Any

from ..errors import SuiteError
from .component import REQUESTS, load_entries, name_of, resolve, service_variants, split_spec
from .protocol import SuiteEntry, SuiteListing


def list_entries(spec: str) -> SuiteListing:
    """Returns the entries of a suite, or the error that reading it raised."""
    try:
        entries = [_entry(entry) for entry in load_entries(spec)]
        variants = service_variants(split_spec(spec)[0], {entry.name: entry.variants for entry in entries})
        return SuiteListing(entries=entries, service_variants=variants)
    except SuiteError as error:
        return SuiteListing(error=str(error))
    except BaseException as error:
        return SuiteListing(error=f"cannot import {spec}: {describe(error)}")


def describe(error: BaseException) -> str:
    """Returns the type and message of an exception on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__qualname__}: {text}" if text else type(error).__qualname__


def _entry(entry: Any) -> SuiteEntry:
    try:
        component = resolve(entry)
    except SuiteError as error:
        return SuiteEntry(name=name_of(entry), problem=str(error))
    except Exception as error:
        return SuiteEntry(name=name_of(entry), problem=describe(error))
    return SuiteEntry(
        name=component.name,
        inputs=len(list(component.inputs)),
        batch=getattr(component, "batch", REQUESTS),
        variants=list(getattr(component, "variants", None) or {}),
    )
