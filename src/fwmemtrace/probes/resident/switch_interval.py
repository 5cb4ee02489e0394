"""Makes threads that compute give the interpreter back sooner, for a while.

The timeline's thread sees a request of a few milliseconds only if it gets the interpreter while the request runs.
"""

from __future__ import annotations

import sys

_SHORT_S = 0.0005


class ShortSwitchInterval:
    """Shortens the interpreter's switch interval for a number of looks. A program that sets its own keeps it."""

    def __init__(self) -> None:
        self._before = 0.0  # the program's, while ours is set
        self._left = 0

    @property
    def is_on(self) -> bool:
        """Whether it is shortened."""
        return self._left > 0

    def begin(self, looks: int) -> None:
        """Shorten it, unless it is as short already.

        Args:
            looks: the number of calls of `look` after which it ends.
        """
        now = sys.getswitchinterval()
        if not self._left and now > _SHORT_S:
            self._before, self._left = now, looks
            sys.setswitchinterval(_SHORT_S)

    def look(self) -> None:
        """Count a look."""
        if self._left:
            self._left -= 1
            if not self._left:
                self._restore()

    def end(self) -> None:
        """End it now."""
        if self._left:
            self._left = 0
            self._restore()

    def _restore(self) -> None:
        if abs(sys.getswitchinterval() - _SHORT_S) < _SHORT_S / 10:  # it is kept in whole microseconds
            sys.setswitchinterval(self._before)
