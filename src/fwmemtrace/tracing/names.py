"""Keeps secrets out of the names of phases, whatever records them: a phase is renamed before it begins."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Named(Protocol):
        """What has a name that may be changed."""

        name: str


_MOST = 1024
_TOKEN = 13  # characters; shorter ones are no tokens, nor numbers of cards

clean: set[str] = set()  # names that have been looked at
_redact: Callable[[str], str] | None = None


def use(redact: Callable[[str], str] | None) -> None:
    """Look at all names with this function from now on."""
    global _redact
    _redact = redact
    clean.clear()


def admit(phase: Named) -> None:
    """Take the secrets out of the name of a phase that is about to begin, and remember that this was done."""
    try:
        if _redact is not None:
            phase.name = _redact(phase.name)
    except RecursionError:  # the program is at its limit: this phase is not recorded either
        return
    if len(clean) >= _MOST:
        clean.clear()
    clean.add(phase.name)


def admit_literal(phase: Named) -> None:
    """Take the secrets out of the name of a decorated function's phase, which nothing looks at when it is called."""
    name = phase.name
    if ":" in name or "=" in name or (len(name) >= _TOKEN and any(map(str.isdecimal, name))):
        from ..redaction import Redactor

        phase.name = Redactor().text(name)
