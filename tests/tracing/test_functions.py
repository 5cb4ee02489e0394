"""`@phase` on functions, methods and other callables."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import pickle
import subprocess
import sys
import warnings

import pytest

from fwmemtrace import PhaseError, phase
from fwmemtrace.capture.own_frames import is_ours, is_program_code
from fwmemtrace.probes.python_heap.file_filter import FileFilter


@phase
def module_level(number):
    """Doc."""
    return number + 1


@phase("named", kind="x")
async def coroutine_function(number):
    await asyncio.sleep(0)
    return number + 1


def test_bare_decorator_takes_the_qualified_name(traced):
    assert module_level(1) == 2
    assert traced.events == ["+module_level", "-module_level"]


def test_a_name_and_attributes(traced):
    @phase("check", model="minilm")
    def check(text, *, upper=False):
        return text.upper() if upper else text

    assert check("a", upper=True) == "A"
    assert traced.paths == ["check"]
    assert traced.begins[0].attributes == {"model": "minilm"}


def test_recursion(traced):
    @phase("down")
    def down(number):
        return 0 if number == 0 else 1 + down(number - 1)

    assert down(2) == 2
    assert traced.events == ["+down", "+down/down", "+down/down/down", "-down/down/down", "-down/down", "-down"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StopIteration, GeneratorExit])
def test_an_exception_propagates_and_its_type_is_recorded(traced, error):
    @phase("fail")
    def fail():
        raise error

    with pytest.raises(error):
        fail()
    assert traced.events == ["+fail", f"-fail {error.__name__}"]


def test_the_frame_of_the_wrapper_is_the_only_one_added_to_a_traceback(traced):
    @phase("fail")
    def fail():
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        fail()
    assert [entry.name for entry in caught.traceback][-2:] == ["wrapper", "fail"]


def _here(offset):
    """Return this file and a line in it, by its distance from the caller's."""
    frame = sys._getframe(1)
    return frame.f_code.co_filename, frame.f_lineno + offset


@phase("old function")
def old_function():
    warnings.warn("use the new one", DeprecationWarning, stacklevel=2)


@phase("old coroutine")
async def old_coroutine():
    warnings.warn("use the new one", DeprecationWarning, stacklevel=2)


@phase("old generator")
def old_generator():
    warnings.warn("use the new one", DeprecationWarning, stacklevel=2)
    yield


@phase("old async generator")
async def old_async_generator():
    warnings.warn("use the new one", DeprecationWarning, stacklevel=2)
    yield


class Old:
    @classmethod
    @phase
    @phase("inner")
    def method(cls):
        warnings.warn("use the new one", DeprecationWarning, stacklevel=2)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("kind", ["function", "method", "generator", "coroutine", "async generator"])
def test_a_warning_names_the_line_that_calls_the_decorated_function(kind, on, request):
    if on:
        request.getfixturevalue("traced")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if kind == "function":
            place = _here(1)
            old_function()
        elif kind == "method":
            place = _here(1)
            Old.method()
        elif kind == "generator":
            place = _here(1)
            next(old_generator())
        elif kind == "coroutine":
            place = _here(1)
            next(old_coroutine().__await__(), None)
        else:
            place = _here(1)
            next(old_async_generator().__anext__().__await__(), None)
    assert [(warning.filename, warning.lineno) for warning in caught] == [place]


def test_default_filters_show_a_deprecation_of_a_decorated_function(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import warnings\n"
        "from fwmemtrace import phase\n"
        "@phase\n"
        "def old():\n"
        "    warnings.warn('old() is deprecated', DeprecationWarning, stacklevel=2)\n"
        "old()\n"
    )
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, check=True)
    assert f"{script}:6: DeprecationWarning: old() is deprecated\n  old()" in done.stderr


def test_the_wrapper_counts_as_code_of_the_tracer():
    file = old_function.__code__.co_filename
    assert is_ours(file)
    assert not is_program_code(file)
    assert not FileFilter().keeps(file)
    assert FileFilter().keeps(__file__)


def test_a_log_record_names_the_line_that_calls_the_decorated_function(caplog):
    @phase
    def log():
        logging.getLogger().warning("hello", stacklevel=2)

    place = _here(1)
    log()
    assert [(record.pathname, record.lineno) for record in caplog.records] == [place]


def test_a_decorated_function_keeps_its_kind():
    def function():
        """Doc."""

    async def coroutine(): ...

    def generator():
        yield

    async def async_generator():
        yield

    function.marker = 1
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    for each in (function, coroutine, generator, async_generator):
        for decorate in (phase, phase("named")):
            decorated = decorate(each)
            assert inspect.isfunction(decorated)
            assert [kind(decorated) for kind in kinds] == [kind(each) for kind in kinds]
            assert (decorated.__name__, decorated.__qualname__, decorated.__module__, decorated.__doc__) == (
                *(each.__name__, each.__qualname__, each.__module__, each.__doc__),
            )
            assert decorated.__wrapped__ is each
            assert inspect.signature(decorated) == inspect.signature(each)
    assert phase(function).marker == 1
    assert asyncio.iscoroutinefunction(phase(coroutine))


def test_a_decorated_function_can_be_pickled_by_name():
    assert pickle.loads(pickle.dumps(module_level)) is module_level


def test_decorated_twice(traced):
    @phase("outer")
    @phase("inner")
    def work():
        return 1

    assert work() == 1
    assert traced.events == ["+outer", "+outer/inner", "-outer/inner", "-outer"]


class Service:
    calls: int = 0

    @phase
    def method(self, number):
        return self, number

    @classmethod
    @phase("inside classmethod")
    def class_inside(cls):
        return cls

    @phase("outside classmethod")
    @classmethod
    def class_outside(cls):
        return cls

    @staticmethod
    @phase("inside staticmethod")
    def static_inside(number):
        return number

    @phase("outside staticmethod")
    @staticmethod
    def static_outside(number):
        return number

    @phase
    @classmethod
    def bare_class(cls):
        return cls

    @phase
    @staticmethod
    def bare_static():
        return 1

    @property
    @phase("property")
    def value(self):
        return 7

    @functools.cached_property
    @phase("cached")
    def cached(self):
        self.calls += 1
        return 8

    @phase("async method")
    async def async_method(self):
        return self

    @phase("async classmethod")
    @classmethod
    async def async_class(cls):
        return cls

    @phase("generator method")
    def generate(self):
        yield self

    @phase("call")
    def __call__(self, number):
        return number


class Derived(Service):
    @phase
    def method(self, number):
        return super().method(number)


def test_methods(traced):
    service = Service()
    assert service.method(1) == (service, 1)
    assert Service.method(service, 2) == (service, 2)
    assert service(3) == 3
    assert service.value == 7
    assert service.cached + service.cached == 16
    assert service.calls == 1
    assert list(service.generate()) == [service]
    assert traced.paths == ["Service.method"] * 2 + ["call", "property", "cached", "generator method"]


def test_classmethods_and_staticmethods_in_both_orders(traced):
    for owner in (Service, Service(), Derived, Derived()):
        cls = owner if isinstance(owner, type) else type(owner)
        assert owner.class_inside() is cls
        assert owner.class_outside() is cls
        assert owner.static_inside(1) == 1
        assert owner.static_outside(2) == 2
        assert owner.bare_class() is cls
        assert owner.bare_static() == 1
    one_owner = [
        *("inside classmethod", "outside classmethod", "inside staticmethod", "outside staticmethod"),
        *("Service.bare_class", "Service.bare_static"),
    ]
    assert traced.paths == one_owner * 4


def test_async_methods(traced):
    service = Service()
    assert asyncio.run(service.async_method()) is service
    assert asyncio.run(Service.async_class()) is Service
    assert traced.events == ["+async method", "-async method", "+async classmethod", "-async classmethod"]
    assert inspect.iscoroutinefunction(Service.async_class)


def test_an_overriding_method_that_calls_the_first(traced):
    derived = Derived()
    assert derived.method(1) == (derived, 1)
    assert traced.paths == ["Derived.method", "Derived.method/Service.method"]


def test_partials_callable_objects_builtins_and_bound_methods(traced):
    class Callable:
        def __call__(self, number):
            return number * 2

    class AsyncCallable:
        async def __call__(self, number):
            return number * 3

    assert phase("partial")(functools.partial(int, base=2))("101") == 5
    assert phase("object")(Callable())(2) == 4
    assert phase("builtin")(len)([1, 2]) == 2
    assert phase("bound")(Service().method)(1)[1] == 1
    assert asyncio.run(phase("async object")(AsyncCallable())(2)) == 6
    assert asyncio.run(phase("async partial")(functools.partial(AsyncCallable(), 3))()) == 9
    assert phase(len)([1]) == 1
    assert traced.paths == [
        *("partial", "object", "builtin", "bound", "bound/Service.method", "async object", "async partial", "len"),
    ]


def test_a_partial_of_a_generator_function_is_one(traced):
    def count(stop):
        yield from range(stop)

    assert list(phase("count")(functools.partial(count, 3))()) == [0, 1, 2]
    assert traced.paths == ["count"]


@pytest.mark.parametrize("decorate", [phase, phase("x")])
def test_a_class_cannot_be_decorated(decorate):
    class Some:
        pass

    with pytest.raises(PhaseError, match="decorate a function or the methods of a class"):
        decorate(Some)


@pytest.mark.parametrize("given", [3, property(lambda self: 1)])
def test_an_object_that_is_not_callable_cannot_be_decorated(given):
    with pytest.raises(PhaseError, match="@phase cannot decorate"):
        phase("x")(given)


def test_a_coroutine_function_is_a_phase_while_it_is_awaited(traced):
    async def main():
        pending = coroutine_function(1)
        with phase("before"):
            pass
        return await pending

    assert asyncio.run(main()) == 2
    assert traced.events == ["+before", "-before", "+named", "-named"]


def test_a_coroutine_that_fails(traced):
    @phase("fail")
    async def fail():
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        asyncio.run(fail())
    assert traced.events == ["+fail", "-fail ValueError"]


def test_a_coroutine_that_is_closed_unfinished(traced):
    class Suspended:
        def __await__(self):
            yield

    @phase("wait")
    async def wait():
        await Suspended()

    coroutine = wait()
    coroutine.send(None)
    coroutine.close()
    assert traced.events == ["+wait", "-wait GeneratorExit"]


def test_one_phase_object_for_several_functions_and_blocks(traced):
    shared = phase("shared")

    @shared
    def one():
        with shared:
            return two()

    @shared
    def two():
        return 2

    with shared:
        assert one() == 2
    assert traced.paths == ["shared", "shared/shared", "shared/shared/shared", "shared/shared/shared/shared"]
    assert traced.open == []
