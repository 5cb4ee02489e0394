"""Keeps memray from ending a thread because of its name.

While a tracker runs, each assignment to a thread's name passes it on to memray, which raises where UTF-8 cannot encode
it. In a thread that starts, that is before the starting one is told: it would wait for ever.
"""

from __future__ import annotations

import threading
from typing import Any

from ...paths import encodable


def make_fit() -> None:
    """Let memray get names that it can encode; the threads keep their own. Call it when a tracker has started."""
    for attribute in ("_name", "_ident"):
        interceptor = vars(threading.Thread).get(attribute)
        callback = getattr(interceptor, "_callback", None)
        if callback is not None:
            interceptor._callback = _with_fit_names(callback)  # type: ignore[union-attr]


def _with_fit_names(callback: Any) -> Any:
    def tell(ident: int, name: object) -> None:
        callback(ident, encodable(str(name)))

    return tell
