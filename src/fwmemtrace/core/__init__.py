"""The compiled core, if it is there. Without it there is no probe `heap`, and captures are read more slowly.

It is built with the package where Linux and a compiler are. FWMEMTRACE_CORE=0 switches it off.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

VARIABLE = "FWMEMTRACE_CORE"


def load() -> tuple[ModuleType | None, str]:
    """Return the extension module and "", or None and why it cannot be used. It is imported only here."""
    if os.environ.get(VARIABLE) == "0":
        return None, f"{VARIABLE}=0 switches it off"
    try:
        from . import _compiled
    except ModuleNotFoundError:
        return None, "it was not built when fwmemtrace was installed"
    except ImportError as error:
        return None, f"it cannot be loaded: {error}"
    return _compiled, ""
