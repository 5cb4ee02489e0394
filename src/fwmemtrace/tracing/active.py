"""Which tracer the phases of this process report to: a session puts its own in place.

Every run of a phase looks at the tracer. So each module that does has it as a global of its own: asking another module
would cost a decorated call a tenth of its time.
"""

from __future__ import annotations

from . import decorators, phases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .span import Tracer


def install(tracer: Tracer | None) -> Tracer | None:
    """Make all phases report to this tracer from now on; None switches tracing off.

    Returns:
        The previous tracer, which the caller may restore later.
    """
    before = phases.session_tracer
    phases.session_tracer = decorators.session_tracer = tracer
    return before


def installed() -> Tracer | None:
    """Return the session's tracer; None while no session is on."""
    return phases.session_tracer


def at_first_use(start: Callable[[], None] | None) -> bool:
    """Call a function whenever a phase is about to be named; None for no function, which it sets itself in the end.

    Returns:
        Whether there was such a function, which is not called any more.
    """
    before, phases.first_use = phases.first_use, start
    return before is not None
