"""Text from a trace, safe to print; see `values.visible`."""

from __future__ import annotations

import json
import re

from ..values import visible

__all__ = ["visible", "visible_json"]

_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


def visible_json(encoded: bytes) -> str:
    r"""Returns JSON with escapes for what a terminal would obey; readers of the JSON get the same text.

    >>> visible_json('"a\x9b\u202eb é"'.encode())
    '"a\\u009b\\u202eb é"'
    """
    return _BEYOND_ASCII.sub(_escaped, encoded.decode())


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]
