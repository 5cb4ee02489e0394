"""`phase`: a named stretch of execution, as a context manager and as a decorator.

This module is what decorated code pays for when no session is on, so it imports next to nothing, and its classes are
slotted. The phase that runs is a context variable: asyncio tasks inherit it, threads start without one.
"""

from __future__ import annotations

from ..errors import PhaseError
from .span import current, set_current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType
    from typing import Any, TypeVar, overload

    from .span import Attribute, Span, Tracer

    F = TypeVar("F", bound=Callable[..., Any])


# The running session's tracer, or None: the only thing that a phase looks at when nobody traces.
_tracer: Tracer | None = None

_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200  # as in `inspect`, which is too big to import
# While nobody traces, one object a name is enough, and looking it up is half the price of making one. While somebody
# does, each `with phase(...)` has its own: then its exit ends the run that it began, in whatever context it happens.
_idle: dict[str, Phase] = {}
_IDLE_AT_MOST = 500  # a program that makes up names must not fill its memory with them
_WRAPPED = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__")


def install(tracer: Tracer | None) -> Tracer | None:
    """Let every phase from now on report to this tracer; None switches tracing off.

    Returns:
        The tracer until now, for whoever wants to put it back.
    """
    global _tracer
    before, _tracer = _tracer, tracer
    return before


class Phase:
    """A named stretch of execution: `with` it, `async with` it, or decorate a function with it.

    One object may be entered any number of times, nested, in threads and in tasks: what a run needs is in its `Span`.
    """

    __slots__ = ("_open", "attributes", "name", "probes")

    def __init__(
        self, name: str, probes: Iterable[str] | None = None, attributes: dict[str, Attribute] | None = None
    ) -> None:
        self.name = name
        self.probes: Collection[str] | None = probes  # type: ignore[assignment]  # `_check` makes a set of it
        self.attributes = attributes
        self._open: list[Span] | None = None
        if name.__class__ is not str or not name or attributes or probes is not None:
            self._check()

    def _check(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise PhaseError(f"found phase({self.name!r}), expected a name: give a string that is not empty")
        if self.probes is not None:
            if isinstance(self.probes, str):
                raise PhaseError(f"found probes={self.probes!r}, expected names: give a list such as ['resident']")
            self.probes = frozenset(self.probes)
        for key, value in (self.attributes or {}).items():
            if not isinstance(value, (str, int, float)):
                raise PhaseError(
                    f"found {key}={value!r} of type {type(value).__qualname__} in phase({self.name!r}), expected a "
                    "str, int, float or bool: give the value's name or number instead"
                )

    def __repr__(self) -> str:
        return f"phase({self.name!r})"

    def __enter__(self) -> Phase:
        if _tracer is not None:
            span = _tracer.begin(self)
            if self._open is None:
                self._open = [span]
            else:
                self._open.append(span)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._open:
            span = self._take_mine(self._open)
            if span is not None:
                span.tracer.end(span, kind)

    async def __aenter__(self) -> Phase:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, traceback)

    def _take_mine(self, spans: list[Span]) -> Span | None:
        """Of the runs of this object that are open, the one that this context is in.

        It matters where one object is shared by threads or tasks, whose turn it may become at any point of this. A
        context that never saw any of them (a generator that is finalised elsewhere) closes the latest.
        """
        span = current.get()
        while span is not None:
            if span.phase is self and span in spans:
                spans.remove(span)
                return span
            span = span.parent
        try:
            return spans.pop()
        except IndexError:  # another thread was faster
            return None

    def __call__(self, function: F) -> F:
        """Decorate a function: each of its calls is a run of this phase."""
        decorated: F = _decorate(function, self)
        return decorated


if TYPE_CHECKING:

    @overload
    def phase(name: F, /) -> F: ...
    @overload
    def phase(name: str, /, *, probes: Iterable[str] | None = None, **attributes: Attribute) -> Phase: ...


def phase(name: Any, /, *, probes: Any = None, **attributes: Any) -> Any:
    """Name a stretch of execution.

    Use it as a context manager, `with phase("init"):` or `async with`, or as a decorator of a function, coroutine
    function, generator, async generator, method, classmethod or staticmethod. With no session on it costs next to
    nothing. It never swallows an exception; the trace tells which type ended the phase.

    A decorated generator's phase begins with its first item and ends with it; while it is suspended the phase of
    whoever asked for the item runs. An undecorated generator with `with phase(...)` in its body leaves that phase on
    for its caller until the block ends: decorate it where that matters.

    Args:
        name: what the phase is called, or the function itself for a bare `@phase`, which uses its `__qualname__`.
        probes: names of the only probes that shall measure this phase; None for all that the session has.
        attributes: facts to keep with this run of the phase, each a str, int, float or bool.

    Returns:
        A `Phase`, or the decorated function.

    Raises:
        PhaseError: if the name is empty or no string, or an attribute is of another type.

    >>> @phase("check input", model="minilm")
    ... def check(text):
    ...     with phase("tokenize"):
    ...         return len(text)
    >>> check("hello")
    5
    """
    if _tracer is None and probes is None and not attributes:
        try:
            return _idle[name]
        except (KeyError, TypeError):
            pass
    if name.__class__ is not str and (callable(name) or isinstance(name, (classmethod, staticmethod))):
        return _decorate(name, None)
    made = Phase(name, probes, attributes)
    if _tracer is None and probes is None and not attributes and len(_idle) < _IDLE_AT_MOST:
        _idle[name] = made
    return made


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def _decorate(function: Any, given: Phase | None) -> Any:
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_decorate(function.__func__, given))
    if isinstance(function, type) or not callable(function):
        raise PhaseError(f"found @phase on {function!r}, expected a function: decorate the class's methods instead")
    mine = given if given is not None else Phase(_name_of(function))
    wrapper = _wrapper_for(_flags(function))(function, mine)
    for attribute in _WRAPPED:  # functools.wraps, without importing functools and what it needs
        if hasattr(function, attribute):
            setattr(wrapper, attribute, getattr(function, attribute))
    wrapper.__dict__.update(getattr(function, "__dict__", {}))
    wrapper.__wrapped__ = function
    return wrapper


def _flags(function: Any) -> int:
    """The code flags of a function, or of what a partial or a callable object calls in the end."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    function = getattr(function, "__func__", function)  # a bound method
    if not hasattr(function, "__code__"):  # an object whose class has __call__
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    return code.co_flags if code is not None else 0


def _wrapper_for(flags: int) -> Callable[[Any, Phase], Any]:
    if flags & _CO_COROUTINE:
        return _around_coroutine
    if flags & _CO_ASYNC_GENERATOR:
        return _around_async_generator
    if flags & _CO_GENERATOR:
        return _around_generator
    return _around_function


def _around_function(function: Any, mine: Phase) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _tracer is None:
            return function(*args, **kwargs)
        tracer = _tracer
        span = tracer.begin(mine)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            tracer.end(span, type(error))
            raise
        tracer.end(span, None)
        return result

    return wrapper


def _around_coroutine(function: Any, mine: Phase) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _tracer is None:
            return await function(*args, **kwargs)
        tracer = _tracer
        span = tracer.begin(mine)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            tracer.end(span, type(error))
            raise
        tracer.end(span, None)
        return result

    return wrapper


class _Suspension:
    """Takes a generator's phase out of the way while the generator is suspended, and puts it back.

    What was current inside (phases of `with` blocks in the generator's body) is kept with the generator; what was
    current for the caller is given back to the caller.
    """

    __slots__ = ("_inner", "_outer", "span")

    def __init__(self, tracer: Tracer, mine: Phase) -> None:
        self._outer = current.get()
        self.span = tracer.begin(mine)
        self._inner: Span | None = self.span

    def suspend(self) -> None:
        self._inner = current.get()
        set_current(self._outer)
        self.span.tracer.switch(self._outer)

    def resume(self) -> None:
        self._outer = current.get()
        set_current(self._inner)
        self.span.tracer.switch(self._inner)

    def finish(self, error: type[BaseException] | None) -> None:
        self.span.tracer.end(self.span, error)
        set_current(self._outer)


def _error_of(error: BaseException) -> type[BaseException] | None:
    # Closing a generator early is an ordinary end of it, not a failure.
    return None if isinstance(error, GeneratorExit) else type(error)


def _around_generator(function: Any, mine: Phase) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        if _tracer is None:
            return (yield from generator)
        suspension = _Suspension(_tracer, mine)
        step, argument = generator.send, None
        try:
            while True:
                try:
                    item = step(argument)
                except StopIteration as stop:
                    suspension.finish(None)
                    return stop.value
                suspension.suspend()
                try:
                    argument = yield item
                    step = generator.send
                except GeneratorExit:
                    suspension.resume()
                    generator.close()
                    raise
                except BaseException as error:
                    step, argument = generator.throw, error
                suspension.resume()
        except BaseException as error:
            suspension.finish(_error_of(error))
            raise

    return wrapper


def _around_async_generator(function: Any, mine: Phase) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        suspension = None if _tracer is None else _Suspension(_tracer, mine)
        step, argument = generator.asend, None
        try:
            while True:
                try:
                    item = await step(argument)
                except StopAsyncIteration:
                    if suspension is not None:
                        suspension.finish(None)
                    return
                if suspension is not None:
                    suspension.suspend()
                try:
                    argument = yield item
                    step = generator.asend
                except GeneratorExit:
                    if suspension is not None:
                        suspension.resume()
                    await generator.aclose()
                    raise
                except BaseException as error:
                    step, argument = generator.athrow, error
                if suspension is not None:
                    suspension.resume()
        except BaseException as error:
            if suspension is not None:
                suspension.finish(_error_of(error))
            raise

    return wrapper
