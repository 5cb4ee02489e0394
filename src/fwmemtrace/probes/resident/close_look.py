"""Finds the functions behind rises of RSS that are seen only after they have returned.

A short request is over when the timeline's thread looks: all that it sees is the line that waits for the next one. Such
rises are charged to the functions that other looks have met while they ran, called from there. Where rises add up at
such a place, the program is also watched for a few thousand calls by a profile function that reads RSS. Rises at this
place are then charged to the functions that made RSS rise, in the same proportions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import CodeType
from typing import NamedTuple, TypeAlias

from ...system.thread_frames import current_frames
from ..attribution import Accounted
from ..governor import TimeBudget
from .makers import Makers
from .pending_calls import LastingCall
from .rises import Rise
from .stacks import Stack, line_of
from .switch_interval import ShortSwitchInterval
from .watch import Made, Watch

_EVENTS = 5_000  # calls and returns in a row; a request that has more is seen while it runs
_ENOUGH_LOOKS = 8
_FINER_LOOKS = 100  # with a short switch interval, after a watch that has found nothing
_MISSED = 0.8  # of a rise: a watch that ended meanwhile and has missed more knows nothing
_EXPLAINED = 0.5  # of a rise: with less, a thread has not made it, but one that has ended
_MOST_PLACES = 1024
_MOST_THREADS = 256  # that are known, before those that have ended are forgotten

# Where a thread is seen: the functions that run and their calls of each other, as a hash, and in the innermost one an
# instruction or a negative line. A library's function is another place for each of its callers.
_Place: TypeAlias = tuple[int, int]


class _Findings(NamedTuple):
    """What a watch has found since the look before, in bytes by stack.

    Attributes:
        by_thread: of threads that last.
        by_ended: all in all, of those that were too short to be seen.
        is_throughout: whether the program was watched all the time.
    """

    by_thread: Made
    by_ended: dict[Stack, int]
    is_throughout: bool

    def of(self, thread: int, size: int) -> dict[Stack, int]:
        """Return who made RSS rise by this size in a thread, as far as the watch has seen it."""
        made = self.by_thread.get(thread, {})
        if sum(made.values()) < _EXPLAINED * size:
            made = {**self.by_ended, **made}
        return made

    def completed(self, made: dict[Stack, int], stack: Stack, size: int) -> dict[Stack, int]:
        """Return the result of `of` with what it lacks of the size; empty if the watch has missed too much of it.

        Args:
            made: the result.
            stack: where the thread is seen.
            size: of the rise, in bytes.
        """
        rest = size - sum(made.values())
        if self.is_throughout and rest > 0:  # made by the call that is under way
            return {**made, stack: made.get(stack, 0) + rest}
        return {} if rest > _MISSED * size else made


class _Request(NamedTuple):
    """What a watch is for: a thread that waits in a function, and the makers of the rises seen there."""

    thread: int
    code: CodeType | None
    makers: Makers


class CloseLook:
    """Has the program watched for short whiles, and charges rises to what was found.

    Args:
        accounted: returns what others account for, such as an import that is under way.
        budget: the time that watching may take.
    """

    def __init__(self, accounted: Callable[[], Accounted], budget: TimeBudget) -> None:
        self._accounted = accounted
        self._budget = budget
        self._places: dict[_Place, Makers] = {}
        self._watch: Watch | None = None
        self._switching = ShortSwitchInterval()
        self._call = LastingCall()
        self._main = threading.main_thread().ident
        self._ended = Makers()  # threads but the main one, of which others are made while these last
        self._ran_in: dict[int, CodeType | None] = {}  # by thread, at the look before, if it ran
        self._waited_at: dict[int, tuple[CodeType, Makers]] = {}  # by thread, when RSS had risen
        self._asked_for = _Request(0, None, Makers())  # the latest
        self._was_on = False  # at the look before
        self._settled = True  # whether the budget has paid for the latest watch

    def makers(self, rises: Mapping[int, Rise], since_ns: int) -> dict[int, Stack]:
        """Return the stacks to charge with rises.

        Runs in the timeline's thread.

        Args:
            rises: of threads, by their identifiers.
            since_ns: a time in nanoseconds at which they had not begun.
        """
        if len(self._ran_in) + len(self._waited_at) > _MOST_THREADS:
            self._forget_ended_threads()
        findings = self._take_findings(rises)
        charged = {thread: self._maker(thread, rise, findings, since_ns) for thread, rise in rises.items()}
        self._settle()
        return charged

    def _forget_ended_threads(self) -> None:
        lasting = current_frames().keys()
        for known in (self._ran_in, self._waited_at):
            for thread in known.keys() - lasting:
                del known[thread]

    def _take_findings(self, rises: Mapping[int, Rise]) -> _Findings:
        watch, was_on = self._watch, self._was_on
        self._was_on = watch is not None and watch.is_on
        found = watch.take() if watch is not None and not self._settled else {}
        ended: dict[Stack, int] = {}
        if found:
            for thread in found.keys() - rises.keys() - current_frames().keys():
                for stack, size in found[thread].items():
                    ended[stack] = ended.get(stack, 0) + size
        return _Findings(found, ended, was_on and self._was_on)

    def _maker(self, thread: int, rise: Rise, findings: _Findings, since_ns: int) -> Stack:
        """Return the stack to charge with a thread's rise."""
        stack, size, runs, is_left_alone = rise
        if is_left_alone and self._ended.known:
            return self._ended.charge(stack, size)
        if not stack or (runs and not self._waits_in(thread, stack.codes[0])):
            return self._while_it_runs(thread, stack, size)
        self._ran_in.pop(thread, None)
        makers = self._makers_at(stack)
        makers.risen += size
        self._learn_who_calls(thread, stack, size, makers)
        if self._call.lasts(thread, since_ns):  # it makes RSS rise, whoever did so before the thread came here
            makers.learn({stack: size})
            return stack
        self._learn_who_made(thread, stack, size, makers, findings)
        self._consider(_Request(thread, stack.codes[0], makers))
        charged = makers.charge(stack, size)
        if makers.known:
            self._call.mark()
        return charged

    def _learn_who_calls(self, thread: int, stack: Stack, size: int, makers: Makers) -> None:
        """Take note that a thread waits here: for itself, or for a function that the place where it waited called."""
        caller = self._caller_of(thread, stack)
        if caller is None:
            self._waited_at[thread] = stack.codes[0], makers
        elif not caller.is_watched:
            caller.learn({stack: size})
        if thread != self._main:
            self._ended.learn({stack: size})

    def _learn_who_made(self, thread: int, stack: Stack, size: int, makers: Makers, findings: _Findings) -> None:
        """Take note of what a watch, or a look with a short switch interval, shows of who made a rise seen here."""
        asked_for = self._asked_for
        if self._switching.is_on and thread == asked_for.thread and _is_called_by(asked_for.code, stack):
            asked_for.makers.learn({stack: size})
        made = findings.of(thread, size)
        was_seen = bool(made)
        made = findings.completed(made, stack, size)
        for learning in {makers, asked_for.makers} if thread == asked_for.thread else {makers}:
            learning.learn(made)
            learning.is_watched = learning.is_watched or was_seen

    def _while_it_runs(self, thread: int, stack: Stack, size: int) -> Stack:
        """Return the stack to charge with a rise of a thread that was seen while it ran.

        One that was there at the look before as well has made RSS rise there. Else it may have been somewhere else in
        between, which a watch knows better if it has seen such a call. What is learnt helps the next time that the
        thread is seen only when it waits.
        """
        code = stack.codes[0] if stack else None
        before, self._ran_in[thread] = self._ran_in.get(thread), code
        makers = self._caller_of(thread, stack)
        if makers is not None:
            if not makers.is_watched:
                makers.learn({stack: size})
            # Other threads do the same again and again, whatever the watch has seen of it; the main one takes steps.
            elif code is not before and (thread != self._main or makers.know(self._call_of(thread, stack))):
                return makers.charge(stack, size)
        if thread != self._main:
            self._ended.learn({stack: size})
        return stack

    def _waits_in(self, thread: int, code: CodeType) -> bool:
        """Return whether this is the function in which a thread waited last: it may be about to wait again."""
        return thread in self._waited_at and self._waited_at[thread][0] is code

    def _caller_of(self, thread: int, stack: Stack) -> Makers | None:
        """Return the makers of where the thread waited last, if what it does now was called by the function there."""
        waited_in, makers = self._waited_at.get(thread, (None, None))
        return makers if _is_called_by(waited_in, stack) else None

    def _call_of(self, thread: int, stack: Stack) -> CodeType:
        """Return what the function in which the thread waited last has called in this stack."""
        waited_in = self._waited_at[thread][0]
        return next(call for call, caller in pairwise(stack.codes) if caller is waited_in)

    def _consider(self, request: _Request) -> None:
        """Have the program watched, if this may show who made RSS rise."""
        if not (self._settled and request.makers.worth_a_watch and self._budget.affords()):
            return
        if self._watch is None:
            self._watch = Watch(self._accounted)
        if not self._watch.refused:
            self._settled, self._asked_for = False, request
            self._watch.start(_EVENTS)

    def _settle(self) -> None:
        watch = self._watch
        if watch is None or self._settled or watch.asked:
            return
        if watch.looks >= _ENOUGH_LOOKS:
            watch.end()
        if not watch.is_on:
            self._budget.spend(watch.spent_ns)
            self._settled = True
            if not self._asked_for.makers.known:
                self._switching.begin(_FINER_LOOKS)

    def _makers_at(self, stack: Stack) -> Makers:
        """Return the makers of a line: while the thread is watched, it stands at other instructions of the line."""
        calls, instruction = hash((stack.key, stack.instructions[1:])), stack.instructions[0]
        makers = self._places.get((calls, instruction))
        if makers is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            makers = self._places.setdefault((calls, -line_of(stack.codes[0], instruction)), Makers())
            self._places[calls, instruction] = makers
        return makers

    @property
    def is_under_way(self) -> bool:
        """Whether the program is watched, or about to be."""
        return not self._settled or self._switching.is_on

    def looks_often(self) -> bool:
        """Tell at each look, with a rise or not, whether the next one should come soon."""
        self._switching.look()
        return self._switching.is_on

    def stop(self) -> None:
        """Watch nothing from now on."""
        self._switching.end()
        if self._watch is not None:
            self._watch.stop()


def _is_called_by(code: CodeType | None, stack: Stack) -> bool:
    """Return whether a function has called what runs in this stack."""
    return any(caller is code for caller in stack.codes[1:])
