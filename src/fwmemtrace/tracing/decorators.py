"""What takes the place of a decorated function: a wrapper for each kind, in which a call is a run of a phase."""

from __future__ import annotations

from ..errors import PhaseError
from .span import current, set_current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    from .span import NamedPhase, Span, Tracer

# The session's tracer, or None while no session is on: the only thing that a call looks at then. See `active`.
session_tracer: Tracer | None = None

_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200  # as in `inspect`, which is too big to import
# The file name of the wrappers' code. `warnings.warn` and the methods of loggers skip frames of import machinery when
# they count `stacklevel`, and recognise them by these two words: so a deprecation in a decorated function is shown for
# the line that calls it, and not hidden because it seems to come from here.
_SKIPPED_FILE = f"<importlib._bootstrap>{__file__}"
_skipped: dict[CodeType, CodeType] = {}
_WRAPPED = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__")


def decorate(function: Any, own_phase: NamedPhase) -> Any:
    """Return what takes the place of a function, so that each call is a run of a phase.

    Args:
        function: a function of any kind (coroutine, generator, async generator, callable object), or a method.
        own_phase: the phase.

    Raises:
        PhaseError: if it is a class, or cannot be called.
    """
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(decorate(function.__func__, own_phase))
    if isinstance(function, type) or not callable(function):
        raise PhaseError(f"@phase cannot decorate {function!r}; decorate a function or the methods of a class")
    wrapper = _wrapper_for(_flags(function))(function, own_phase)
    code = wrapper.__code__
    if code not in _skipped:
        _skipped[code] = code.replace(co_filename=_SKIPPED_FILE)
    wrapper.__code__ = _skipped[code]
    for attribute in _WRAPPED:  # as functools.wraps, which would import more
        if hasattr(function, attribute):
            setattr(wrapper, attribute, getattr(function, attribute))
    wrapper.__dict__.update(getattr(function, "__dict__", {}))
    wrapper.__wrapped__ = function
    return wrapper


def _flags(function: Any) -> int:
    """Return the code flags of a function, or of the function that a partial or callable object calls."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    function = getattr(function, "__func__", function)  # a bound method
    if not hasattr(function, "__code__"):  # an object whose class has __call__
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    return code.co_flags if code is not None else 0


def _wrapper_for(flags: int) -> Callable[[Any, NamedPhase], Any]:
    if flags & _CO_COROUTINE:
        return _trace_coroutine
    if flags & _CO_ASYNC_GENERATOR:
        return _trace_async_generator
    if flags & _CO_GENERATOR:
        return _trace_generator
    return _trace_function


def _trace_function(function: Any, own_phase: NamedPhase) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if session_tracer is None:  # first, and only a look: keeping it would cost each call more
            return function(*args, **kwargs)
        tracer, span = session_tracer, None  # once: the session may stop at any time, even since that look
        if tracer is None:
            return function(*args, **kwargs)
        try:  # around the edges too, where a signal handler may raise
            span = tracer.begin(own_phase)
            result = function(*args, **kwargs)
            tracer.end(span, None)
        except BaseException as error:
            if span is not None:
                tracer.end(span, type(error))
            raise
        return result

    return wrapper


def _trace_coroutine(function: Any, own_phase: NamedPhase) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if session_tracer is None:
            return await function(*args, **kwargs)
        tracer, span = session_tracer, None
        if tracer is None:
            return await function(*args, **kwargs)
        try:
            span = tracer.begin(own_phase)
            result = await function(*args, **kwargs)
            tracer.end(span, None)
        except BaseException as error:
            if span is not None:
                tracer.end(span, type(error))
            raise
        return result

    return wrapper


class Suspension:
    """Restores the caller's phase while a generator is suspended, and the generator's phase when it resumes.

    The generator's phase may be one of a `with` block in its body. Whatever else is left and entered again, such as the
    response of a request, uses it in the same way.

    Args:
        tracer: the session's.
    """

    __slots__ = ("_inner", "_outer", "_tracer", "span")

    def __init__(self, tracer: Tracer) -> None:
        self._outer = current.get()
        self._tracer = tracer
        self.span: Span | None = None
        self._inner: Span | None = None

    def begin(self, own_phase: NamedPhase) -> None:
        self.span = self._tracer.begin(own_phase)
        self._inner = self.span

    def suspend(self) -> None:
        self._inner = current.get()
        set_current(self._outer)
        self._tracer.switch(self._outer)

    def resume(self) -> None:
        self._outer = current.get()
        set_current(self._inner)
        self._tracer.switch(self._inner)

    def finish(self, error: type[BaseException] | None) -> None:
        if self.span is not None:
            self._tracer.end(self.span, error)
        set_current(self._outer)


def _error_of(error: BaseException) -> type[BaseException] | None:
    # Closing a generator early is a normal end.
    return None if isinstance(error, GeneratorExit) else type(error)


def _trace_generator(function: Any, own_phase: NamedPhase) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        tracer = session_tracer
        if tracer is None:
            return (yield from generator)
        suspension = Suspension(tracer)
        step, argument = generator.send, None
        try:
            suspension.begin(own_phase)  # inside: a signal handler may raise as soon as it has returned
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


def _trace_async_generator(function: Any, own_phase: NamedPhase) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        tracer = session_tracer
        suspension = None if tracer is None else Suspension(tracer)
        step, argument = generator.asend, None
        try:
            if suspension is not None:
                suspension.begin(own_phase)
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
