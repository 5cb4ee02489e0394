"""Packs tables for a page: equal keys, and values that repeat, are written once. assets/unpack.mjs is the inverse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_LEAST_ROWS = 4  # of a table that is worth packing
_USUAL = 0.8  # of the values of a column that must be the same
_SCALARS = (str, int, float, bool, type(None))


def pack(value: Any) -> Any:
    """Returns a value of JSON with its tables in columns.

    A table is `{"$n": rows, "$columns": {key: column}}`. A column is a list, a table, or one of these:
    `{"$all": value, "$but": {row: value}}` where nearly all values are the same, `{"$values": [...], "$at": [...]}` for
    texts that repeat, `{"$keep": [...], "$rest": [...]}` for texts that begin like the one before. Rows that are null
    are in `$null`. Other keys that begin with "$" have another one in front.

    >>> pack([{"a": 1, "b": "x"}] * 4)
    {'$n': 4, '$columns': {'a': {'$all': 1}, 'b': {'$all': 'x'}}}
    """
    if isinstance(value, Mapping):
        return {f"${key}" if key.startswith("$") else key: pack(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        if len(value) >= _LEAST_ROWS and all(isinstance(row, Mapping) for row in value):
            return _table(value)
        return [pack(inner) for inner in value]
    return value


def _table(rows: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    keys = dict.fromkeys(key for row in rows if row is not None for key in row)
    nulls = [at for at, row in enumerate(rows) if row is None]
    present = [row for row in rows if row is not None]
    table: dict[str, Any] = {"$n": len(rows)}
    table["$columns"] = {key: _column([row.get(key) for row in present]) for key in keys}
    if nulls:
        table["$null"] = nulls
    return table


def _column(values: Sequence[Any]) -> Any:
    if all(value is None or isinstance(value, Mapping) for value in values):
        if all(value is None for value in values):
            return {"$all": None}
        if not _is_mapping_of_names(values):
            return _table(values)
    if all(isinstance(value, _SCALARS) for value in values):
        # By type too: True equals 1 in Python.
        (_, usual), count = Counter((type(value), value) for value in values).most_common(1)[0]
        if count >= _USUAL * len(values):
            unusual = {
                at: value for at, value in enumerate(values) if not (type(value) is type(usual) and value == usual)
            }
            return {"$all": usual, "$but": unusual} if unusual else {"$all": usual}
    if all(isinstance(value, str) for value in values):
        distinct = dict.fromkeys(values)
        if 2 * len(distinct) < len(values):
            number = {text: at for at, text in enumerate(distinct)}
            return {"$values": list(distinct), "$at": [number[text] for text in values]}
        return front_coded(values)
    return [pack(value) for value in values]


def front_coded(texts: Sequence[str]) -> dict[str, Any]:
    """Returns texts as the number of characters that each shares with the one before, and the rest.

    >>> front_coded(["torch.nn", "torch.nn.functional"])
    {'$keep': [0, 8], '$rest': ['torch.nn', '.functional']}
    """
    keep, before = [], ""
    for text in texts:
        shared = 0
        # JavaScript counts a character above U+FFFF as two: nothing is shared from there on.
        for one, other in zip(before, text, strict=False):
            if one != other or one > "\ud7ff":
                break
            shared += 1
        keep.append(shared)
        before = text
    return {"$keep": keep, "$rest": [text[shared:] for text, shared in zip(texts, keep, strict=True)]}


def _is_mapping_of_names(values: Sequence[Mapping[str, Any] | None]) -> bool:
    """Tells whether the keys are names from the trace: rows with keys of their own make no table."""
    keys = {tuple(value) for value in values if value is not None}
    return len(keys) > 1
