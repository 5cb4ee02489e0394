"""Tells the main interpreter of this process from its subinterpreters."""

from __future__ import annotations

_MODULES = ("_interpreters", "_xxsubinterpreters")  # since Python 3.13, and before


_found: bool | None = None  # modules are not shared between interpreters


def is_main() -> bool:
    """Return whether this code runs in the main interpreter; True where Python does not say."""
    global _found
    if _found is None:
        _found = _is_main()
    return _found


def _is_main() -> bool:
    for name in _MODULES:
        try:
            module = __import__(name)
        except ImportError:
            continue
        return bool(module.get_current() == module.get_main())
    return True
