"""What a session needs of the object that phases report to."""

from __future__ import annotations

from typing import Protocol

from ..system.meter import Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..tracing.span import Tracer
else:
    Tracer = object


class Recorder(Tracer, Protocol):
    """A tracer for phases that follows forks and can be stopped."""

    def after_fork(self, meter: Meter, /) -> None:
        """This is a forked child process: continue with this meter, inside the phases that are open."""

    def forget(self) -> None:
        """Record nothing more: this is a forked child process that is about to start another program."""

    def finish(self) -> tuple[int, int, int]:
        """Stop recording.

        Returns:
            The time in nanoseconds, RSS, and the peak RSS since the session began, in bytes.
        """
