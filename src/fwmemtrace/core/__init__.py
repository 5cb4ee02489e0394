"""The compiled core, if it is there. Without it there is no probe `heap`, and captures are read more slowly.

It is built with the package where Linux and a compiler are. FWMEMTRACE_CORE=0 switches it off.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

VARIABLE = "FWMEMTRACE_CORE"
INTERFACE = 7  # of the extension module, as in csrc/core.h: to be counted up in both where a change needs a new build


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
    if getattr(_compiled, "INTERFACE", 0) != INTERFACE:
        return None, "it was built from other sources; build it again, in a checkout with `python hatch_build.py`"
    return _compiled, ""
