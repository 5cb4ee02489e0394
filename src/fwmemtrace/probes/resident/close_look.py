"""Finds the functions behind rises of RSS that are seen only after they have returned.

A short request is over when the timeline's thread looks: all that it sees is the line that waits for the next one. Such
rises are charged to the functions that other looks have met while they ran, called from there. Where rises add up at
such a place, the program is also watched for a few thousand calls by a profile function that reads RSS. Rises at this
place are then charged to the functions that made RSS rise, in the same proportions.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from types import CodeType
from typing import TypeAlias

from ..attribution import Accounted
from ..governor import TimeBudget
from .pending_calls import LastingCall
from .rises import Rise
from .running_threads import Stack, line_of
from .switch_interval import ShortSwitchInterval
from .watch import Watch

_WORTH_IT = 1_000_000  # bytes at one place before it is watched, and before it is watched again
_WORTH_AGAIN = 0.25  # of all that rose there
_EVENTS = 5_000  # calls and returns in a row; a request that has more is seen while it runs
_ENOUGH_LOOKS = 8
_FINER_LOOKS = 100  # with a short switch interval, after a watch that has found nothing
_MISSED = 0.8  # of a rise: a watch that ended meanwhile and has missed more knows nothing
_EXPLAINED = 0.5  # of a rise: with less, a thread has not made it, but one that has ended
_FADING = 0.9  # of what earlier watches found, at each one: programs change
_MOST_PLACES, _MOST_MAKERS = 1024, 256

# Where a thread is seen: the functions that run and their calls of each other, as a hash, and in the innermost one an
# instruction or a negative line. A library's function is another place for each of its callers.
_Place: TypeAlias = tuple[int, int]


class CloseLook:
    """Has the program watched for short whiles, and charges rises to what was found.

    Args:
        accounted: returns what others account for, such as an import that is under way.
        budget: the time that watching may take.
    """

    def __init__(self, accounted: Callable[[], Accounted], budget: TimeBudget) -> None:
        self._accounted = accounted
        self._budget = budget
        self._places: dict[_Place, _Makers] = {}
        self._watch: Watch | None = None
        self._switching = ShortSwitchInterval()
        self._call = LastingCall()
        self._main = threading.main_thread().ident
        self._ended = _Makers()  # threads but the main one, of which others are made while these last
        self._ran_in: dict[int, CodeType | None] = {}  # by thread, at the look before, if it ran
        self._waited_at: dict[int, tuple[CodeType, _Makers]] = {}  # by thread, when RSS had risen
        self._asked_for = 0, _Makers()  # the thread and place that the latest watch is for
        self._asked_code: CodeType | None = None  # the code of that place
        self._was_on = False  # at the look before
        self._settled = True  # whether the budget has paid for the latest watch

    def makers(self, rises: Mapping[int, Rise], since_ns: int) -> dict[int, Stack]:
        """Return the stacks to charge with rises.

        Runs in the timeline's thread.

        Args:
            rises: of threads, by their identifiers.
            since_ns: a time in nanoseconds at which they had not begun.
        """
        watch, was_on = self._watch, self._was_on
        self._was_on = watch is not None and watch.is_on
        found = watch.take() if watch is not None and not self._settled else {}
        ended: dict[Stack, int] = {}  # by threads that were too short to be seen
        if found:
            for thread in found.keys() - rises.keys() - sys._current_frames().keys():
                for stack, size in found[thread].items():
                    ended[stack] = ended.get(stack, 0) + size
        charged = {}
        for thread, (stack, size, runs, is_left_alone) in rises.items():
            if is_left_alone and self._ended.known:
                charged[thread] = self._ended.charge(stack, size)
                continue
            if not stack or (runs and not self._waits_in(thread, stack.codes[0])):
                charged[thread] = self._while_it_runs(thread, stack, size)
                continue
            self._ran_in.pop(thread, None)
            makers = self._makers_at(stack)
            makers.risen += size
            caller = self._caller_of(thread, stack)
            if caller is None:
                self._waited_at[thread] = stack.codes[0], makers
            elif not caller.is_watched:
                caller.learn({stack: size})
            if thread != self._main:
                self._ended.learn({stack: size})
            if self._call.lasts(thread, since_ns):  # it makes RSS rise, whoever did so before the thread came here
                makers.learn({stack: size})
                charged[thread] = stack
                continue
            if self._switching.is_on and thread == self._asked_for[0] and _is_called_by(self._asked_code, stack):
                self._asked_for[1].learn({stack: size})
            made = found.get(thread, {})
            if sum(made.values()) < _EXPLAINED * size:
                made = {**ended, **made}
            was_seen = bool(made)
            rest = size - sum(made.values())
            if was_on and self._was_on and rest > 0:  # made by the call that is under way
                made = {**made, stack: made.get(stack, 0) + rest}
            elif rest > _MISSED * size:
                made = {}
            for_thread, asked_for = self._asked_for
            for learning in {makers, asked_for} if thread == for_thread else {makers}:
                learning.learn(made)
                learning.is_watched = learning.is_watched or was_seen
            self._consider(thread, stack.codes[0], makers)
            charged[thread] = makers.charge(stack, size)
            if makers.known:
                self._call.mark()
        self._settle()
        return charged

    def _while_it_runs(self, thread: int, stack: Stack, size: int) -> Stack:
        """Return the stack to charge with a rise of a thread that was seen while it ran.

        One that was there at the look before as well has made RSS rise there. Else it may have been somewhere else in
        between, which a watch knows better. What is learnt helps the next time that the thread is seen only when it
        waits.
        """
        code = stack.codes[0] if stack else None
        before, self._ran_in[thread] = self._ran_in.get(thread), code
        makers = self._caller_of(thread, stack)
        if makers is not None:
            if makers.is_watched and code is not before:
                return makers.charge(stack, size)
            if not makers.is_watched:
                makers.learn({stack: size})
        if thread != self._main:
            self._ended.learn({stack: size})
        return stack

    def _waits_in(self, thread: int, code: CodeType) -> bool:
        """Return whether this is the function in which a thread waited last: it may be about to wait again."""
        return thread in self._waited_at and self._waited_at[thread][0] is code

    def _caller_of(self, thread: int, stack: Stack) -> _Makers | None:
        """Return the makers of where the thread waited last, if what it does now was called by the function there."""
        waited_in, makers = self._waited_at.get(thread, (None, None))
        return makers if _is_called_by(waited_in, stack) else None

    def _consider(self, thread: int, code: CodeType, makers: _Makers) -> None:
        """Have the program watched, if this may show who made RSS rise."""
        if not (self._settled and makers.worth_a_watch and self._budget.affords()):
            return
        if self._watch is None:
            self._watch = Watch(self._accounted)
        if not self._watch.refused:
            self._settled, self._asked_for, self._asked_code = False, (thread, makers), code
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
            if not self._asked_for[1].known:
                self._switching.begin(_FINER_LOOKS)

    def _makers_at(self, stack: Stack) -> _Makers:
        """Return the makers of a line: while the thread is watched, it stands at other instructions of the line."""
        calls, instruction = hash((stack.key, stack.instructions[1:])), stack.instructions[0]
        makers = self._places.get((calls, instruction))
        if makers is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            makers = self._places.setdefault((calls, -line_of(stack.codes[0], instruction)), _Makers())
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


class _Makers:
    """Who makes RSS rise before a thread is seen at one place."""

    __slots__ = ("_charged", "_made", "_settled", "is_watched", "risen")

    def __init__(self) -> None:
        self.is_watched = False  # whether a watch has found them
        self.risen = 0  # in bytes, all in all
        self._settled = 0  # the same when watching last showed who
        self._made: dict[Stack, float] = {}
        self._charged: dict[Stack, float] = {}

    @property
    def known(self) -> bool:
        return bool(self._made)

    @property
    def worth_a_watch(self) -> bool:
        return self.risen - self._settled >= max(_WORTH_IT, _WORTH_AGAIN * self.risen)

    def learn(self, made: dict[Stack, int]) -> None:
        """Take note of what a watch has found."""
        if not made:
            return
        self._settled = self.risen
        for sizes in (self._made, self._charged):
            for stack in sizes:
                sizes[stack] *= _FADING
        for stack, size in made.items():
            if stack in self._made or len(self._made) < _MOST_MAKERS:
                self._made[stack] = self._made.get(stack, 0) + size

    def charge(self, stack: Stack, size: int) -> Stack:
        """Return who is charged with a rise: whoever is furthest behind its share. Nobody known: the place itself."""
        if not self._made:
            return stack
        part = (sum(self._charged.values()) + size) / sum(self._made.values())
        chosen = max(self._made, key=lambda each: part * self._made[each] - self._charged.get(each, 0))
        self._charged[chosen] = self._charged.get(chosen, 0) + size
        return chosen
