"""Tells the main interpreter of this process from its subinterpreters."""

from __future__ import annotations

_MODULES = ("_interpreters", "_xxsubinterpreters")  # since Python 3.13, and before


def is_main() -> bool:
    """Return whether this code runs in the main interpreter; True where Python does not say."""
    for name in _MODULES:
        try:
            module = __import__(name)
        except ImportError:
            continue
        return bool(module.get_current() == module.get_main())
    return True
