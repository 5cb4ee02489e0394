"""`phase`: a named part of a program, as a context manager and as a decorator.

Decorated code pays for this module even when no session is on, so it imports next to nothing and its classes have
slots. The current phase is a context variable: asyncio tasks inherit it, threads start without one.
"""

from __future__ import annotations

from ..errors import PhaseError
from ..foreign_errors import enter_without_signals
from ..values import LONGEST_TEXT, scalar, short, type_text
from .decorators import decorate
from .names import admit, admit_literal, clean
from .span import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType
    from typing import Any, TypeVar, overload

    from .span import Attribute, Span, Tracer

    F = TypeVar("F", bound=Callable[..., Any])

# The session's tracer, or None while no session is on: the only thing that a phase looks at then. See `active`.
session_tracer: Tracer | None = None
# What is called when a phase is named, until that resets it; None for nothing.
first_use: Callable[[], None] | None = None

# With no session on, all `with phase(...)` of one name can share an object, and looking it up takes half the time of
# making it. During a session each has its own, so that its exit ends the span that it began, in any context.
_idle: dict[str, Phase] = {}
# Names and paths of phases that the traced process remembers, here and in the probes (see `probes.path_table`): a
# program that makes up names, such as one for each request, must not fill its memory with them.
MOST_PATHS = 1024
_METHODS = (classmethod, staticmethod)
_NUMBERS = frozenset({int, float, bool})  # types of attributes that are recorded as they are


class Phase:
    """A named part of a program: use it in `with` or `async with`, or decorate a function with it.

    One object may be entered any number of times, nested, in threads and in tasks: each run has a `Span` of its own.
    """

    __slots__ = ("_open", "attributes", "name", "probes")

    def __init__(
        self, name: str, probes: Iterable[str] | None = None, attributes: dict[str, Attribute] | None = None
    ) -> None:
        self.name = name
        self.probes: Collection[str] | None = probes  # type: ignore[assignment]  # `_check` makes a set of it
        self.attributes = attributes
        self._open: list[Span] | None = None
        if type(name) is not str or not 0 < len(name) <= LONGEST_TEXT or attributes or probes is not None:
            self._check()

    def _check(self) -> None:
        is_text = issubclass(type(self.name), str)  # `isinstance` would ask the object, which may say anything
        name = short(self.name) if is_text else ""
        if not name:
            shown = "''" if is_text else _shown(self.name)
            raise PhaseError(f"phase({shown}): the name must be a non-empty string")
        self.name = name
        if self.probes is not None:
            if issubclass(type(self.probes), str):
                raise PhaseError(f"probes={self.probes!r} is a string; write a list such as [{self.probes!r}]")
            try:
                self.probes = frozenset(self.probes)
            except Exception:  # no iterable, or one of what cannot be hashed
                raise PhaseError(f"probes={_shown(self.probes)} is not a list of names") from None
        if self.attributes:
            self.attributes = _fitted(f"phase({self.name!r})", self.attributes)

    def __reduce__(self) -> tuple[Any, ...]:
        return Phase, (self.name, self.probes, self.attributes)

    def __repr__(self) -> str:
        return f"phase({self.name!r})"

    def __enter__(self) -> Phase:
        tracer = session_tracer  # once: the session may stop at any time
        if tracer is not None:
            span = None
            try:
                if self.name not in clean:
                    admit(self)
                span = tracer.begin(self)
                if self._open is None:
                    self._open = [span]
                else:
                    self._open.append(span)
            except BaseException as error:  # a signal handler's: the block does not begin
                self._abandon(span, error)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._open:
            span = None
            try:
                span = self._take_span(self._open)
                if span is not None:
                    span.tracer.end(span, kind)
            except BaseException as error:  # a signal handler's: the block is over, and so is the phase
                self._abandon(span if span is not None else self._innermost(), error)
                raise

    async def __aenter__(self) -> Phase:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, traceback)

    def _abandon(self, span: Span | None, error: BaseException) -> None:
        """End a span, at whose edge a signal handler has raised an exception, unless it has ended."""
        if span is not None:
            if self._open and span in self._open:
                self._open.remove(span)
            span.tracer.end(span, type(error))

    def _innermost(self) -> Span | None:
        """Return the innermost span of this object that is open around the caller."""
        span = current.get()
        while span is not None and (span.phase is not self or span.closed):
            span = span.parent
        return span

    def _take_span(self, spans: list[Span]) -> Span | None:
        """Remove and return the innermost open span of this object that the current context is in.

        Threads and tasks may share one object, and any of them may run while this does. A context that has entered
        none of the spans (a generator may be finalised anywhere) takes the latest.
        """
        span = current.get()
        while span is not None:
            if span.phase is self and span in spans:
                spans.remove(span)
                return span
            span = span.parent
        try:
            return spans.pop()
        except IndexError:  # another thread took it
            return None

    def __call__(self, function: F) -> F:
        """Decorate a function: each call is a run of this phase."""
        admit_literal(self)
        decorated: F = decorate(function, self)
        return decorated


Phase.__exit__ = enter_without_signals(Phase.__exit__)  # type: ignore[method-assign]
Phase.__aexit__ = enter_without_signals(Phase.__aexit__)  # type: ignore[method-assign]


if TYPE_CHECKING:

    @overload
    def phase(name: F, /) -> F: ...
    @overload
    def phase(name: str, /, *, probes: Iterable[str] | None = None, **attributes: Attribute) -> Phase: ...


def phase(name: Any, /, *, probes: Any = None, **attributes: Any) -> Any:
    """Name a part of a program.

    Use it as a context manager, `with phase("init"):` or `async with`, or as a decorator of a function, coroutine
    function, generator, async generator, method, classmethod or staticmethod. With no session on it costs next to
    nothing. Exceptions propagate; the trace records the type that ended the phase.

    The phase of a decorated generator begins with its first item and ends with the generator. While the generator is
    suspended, the phase of its caller is current. An undecorated generator with `with phase(...)` in its body leaves
    that phase on for its caller until the block ends.

    Args:
        name: the phase's name, or the function itself for a bare `@phase`, which uses the function's `__qualname__`.
        probes: names of the only probes that measure this phase; None for all probes of the session.
        attributes: facts to record with each run of the phase; values are str, int, float or bool. Scalars of numpy
            and torch and other numbers are converted, and text over 16,384 characters is cut.

    Returns:
        A `Phase`, or the decorated function.

    Raises:
        PhaseError: if the name is not a non-empty string, or an attribute has another type.

    >>> @phase("check input", model="minilm")
    ... def check(text):
    ...     with phase("tokenize"):
    ...         return len(text)
    >>> check("hello")
    5
    """
    if session_tracer is None and probes is None and not attributes:
        try:
            return _idle[name]
        except Exception:  # mostly a KeyError; a subclass of str may raise anything when it is hashed
            pass
    if first_use is not None:
        _begin_first_use()
    if not issubclass(type(name), str) and (callable(name) or type(name) in _METHODS):
        return decorate(name, Phase(_name_of(name)))
    made = Phase(name, probes, attributes)
    if session_tracer is None and probes is None and not attributes and len(_idle) < MOST_PATHS:
        _idle[made.name] = made
    return made


def _begin_first_use() -> None:
    start = first_use  # once: another thread may have called it
    if start is not None:
        start()


def is_tracing() -> bool:
    """Return whether a session is on, so that a caller may spare what it needs only for phases."""
    return session_tracer is not None


def annotate(**attributes: Attribute) -> None:
    """Add attributes to the run of the current phase, such as the status of a response. Outside any phase, do nothing.

    Args:
        attributes: facts to record; values are str, int, float or bool.

    Raises:
        PhaseError: if an attribute has another type.

    >>> with phase("request", method="GET"):
    ...     annotate(status=200)
    """
    attributes = _fitted("annotate()", attributes)
    tracer = session_tracer
    if tracer is None:
        return
    own = tracer, getattr(tracer, "inner", None)  # a tracer may leave some spans to another one
    span = current.get()
    while span is not None and (span.closed or span.tracer not in own):
        span = span.parent
    if span is not None:
        span.tracer.annotate(span, attributes)


def _fitted(where: str, attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    """Return attributes of plain types, the same dict if all of them are."""
    for value in attributes.values():
        if type(value) not in _NUMBERS and (type(value) is not str or len(value) > LONGEST_TEXT):
            return {str.__str__(key): _scalar(where, key, each) for key, each in attributes.items()}
    return attributes


def _scalar(where: str, key: str, value: object) -> Attribute:
    found = scalar(value)
    if found is None:
        raise PhaseError(
            f"{where}: the attribute {key} is a {type_text(type(value))}; it must be a str, int, float or bool"
        )
    return found


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type_text(type(value))}>"


def _name_of(function: Any) -> str:
    function = getattr(function, "__func__", function)
    return getattr(function, "__qualname__", None) or type(function).__qualname__
