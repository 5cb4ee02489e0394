"""`with phase(...)`: nested, re-entrant, by exceptions, out of order."""

from __future__ import annotations

import asyncio
import gc

import pytest

from fwmemtrace import Phase, PhaseError, phase


def test_nested(traced):
    with phase("a"):
        with phase("b"), phase("c"):
            pass
        with phase("d"):
            pass
    assert traced.events == ["+a", "+a/b", "+a/b/c", "-a/b/c", "-a/b", "+a/d", "-a/d", "-a"]


def test_one_after_the_other(traced):
    for name in ("a", "b"):
        with phase(name):
            pass
    assert traced.events == ["+a", "-a", "+b", "-b"]


def test_a_begin_is_written_when_the_phase_begins(traced):
    with phase("a"):
        assert traced.events == ["+a"]


def test_one_object_may_be_entered_again_inside_itself(traced):
    again = phase("a")
    with again, again:
        with phase("b"), again:
            pass
    assert traced.events == ["+a", "+a/a", "+a/a/b", "+a/a/b/a", "-a/a/b/a", "-a/a/b", "-a/a", "-a"]


def test_one_object_may_be_used_again(traced):
    again = phase("a")
    for _ in range(3):
        with again:
            pass
    assert traced.events == ["+a", "-a"] * 3
    assert len({begin.span for begin in traced.begins}) == 3


def test_as_gives_the_phase(traced):
    with phase("a") as entered:
        assert isinstance(entered, Phase)
        assert entered.name == "a"
        assert repr(entered) == "phase('a')"


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_an_exception_propagates_and_its_type_is_recorded(traced, error):
    with pytest.raises(type(error)) as caught, phase("a"), phase("b"):
        raise error
    assert caught.value is error
    name = type(error).__name__
    assert traced.events == ["+a", "+a/b", f"-a/b {name}", f"-a {name}"]


def test_a_foreign_exception_is_named_with_its_module(traced):
    with pytest.raises(PhaseError), phase("a"):
        raise PhaseError("x")
    assert traced.events == ["+a", "-a fwmemtrace.errors.PhaseError"]


def test_an_exception_caught_inside_ends_only_the_inner_phase(traced):
    with phase("a"):
        try:
            with phase("b"):
                raise ValueError
        except ValueError:
            pass
        with phase("c"):
            pass
    assert traced.events == ["+a", "+a/b", "-a/b ValueError", "+a/c", "-a/c", "-a"]


def test_return_break_and_continue_leave_the_phase(traced):
    def leave():
        for number in range(3):
            with phase(f"turn {number}"):
                if number == 0:
                    continue
                return number
        return None

    assert leave() == 1
    assert traced.events == ["+turn 0", "-turn 0", "+turn 1", "-turn 1"]


def test_async_with(traced):
    async def main():
        async with phase("a"), phase("b"):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert traced.events == ["+a", "+a/b", "-a/b", "-a"]


def test_an_exception_propagates_from_async_with(traced):
    async def main():
        async with phase("a"):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        asyncio.run(main())
    assert traced.events == ["+a", "-a ValueError"]


def test_attributes_go_with_the_begin(traced):
    with phase("request", model="minilm", size=3, ratio=0.5, cached=True):
        pass
    assert traced.begins[0].attributes == {"model": "minilm", "size": 3, "ratio": 0.5, "cached": True}


def test_an_attribute_may_be_called_name(traced):
    with phase("request", name="x", self="y"):
        pass
    assert traced.begins[0].attributes == {"name": "x", "self": "y"}


def test_the_records_of_a_phase_have_time_thread_and_memory(traced, new_memory):
    import threading

    with phase("a"):
        kept = new_memory(64_000_000)
    (begin,), (end,) = traced.begins, traced.ends
    assert begin.thread_id == threading.get_ident()
    assert end.time_ns > begin.time_ns
    assert abs(end.rss_bytes - begin.rss_bytes - len(kept)) < 1_000_000
    assert end.peak_rss_bytes >= end.rss_bytes


def test_blocks_left_out_of_order(traced):
    """What `ExitStack`s and generators can do: the outer block is left first."""
    a, b = phase("a"), phase("b")
    a.__enter__()
    b.__enter__()
    a.__exit__(None, None, None)
    with phase("c"):
        pass
    b.__exit__(None, None, None)
    with phase("d"):
        pass
    assert traced.events == ["+a", "+a/b", "-a", "+a/b/c", "-a/b/c", "-a/b", "+d", "-d"]


def test_with_in_interleaved_generators(traced):
    """Documented: an undecorated generator leaves the phase of its block on for its caller."""

    def generator(name):
        with phase(name):
            yield 1
            with phase("inner"):
                yield 2
        yield 3

    a, b = generator("a"), generator("b")
    assert [next(a), next(b), next(a), next(b)] == [1, 1, 2, 2]
    assert [next(a), next(b)] == [3, 3]
    assert traced.open == []
    with phase("after"):
        pass
    assert traced.paths[-1] == "after"
    assert list(a) == list(b) == []


def test_one_object_in_interleaved_generators(traced):
    shared = phase("shared")

    def generator():
        with shared:
            yield

    generators = [generator() for _ in range(3)]
    for each in generators:
        next(each)
    assert len(traced.open) == 3
    for each in generators:
        each.close()
    assert traced.open == []
    with phase("after"):
        pass
    assert traced.paths[-1] == "after"


def test_a_generator_that_is_collected_ends_its_block(traced):
    def generator():
        with phase("a"):
            yield

    iterator = generator()
    next(iterator)
    del iterator
    gc.collect()
    assert traced.events == ["+a", "-a GeneratorExit"]


def test_the_probes_of_a_phase():
    assert phase("a", probes=["resident"]).probes == frozenset({"resident"})
    assert phase("a", probes=[]).probes == frozenset()
    assert phase("a").probes is None


@pytest.mark.parametrize("name", ["", None, 3, b"bytes", object()])
def test_a_name_must_be_a_non_empty_string(name):
    with pytest.raises(PhaseError):
        phase(name)


def test_a_name_may_be_of_a_subclass_of_str(traced):
    class Name(str):
        __slots__ = ()

    with phase(Name("a")):
        pass
    assert traced.paths == ["a"]


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, b"x", 1j, object()])
def test_an_attribute_of_another_type_is_an_error(value):
    with pytest.raises(PhaseError, match="the attribute key is a "):
        phase("a", key=value)


def _lying():
    class Lying:
        __class__ = str

        def __getattr__(self, name):
            raise RuntimeError(name)

        def __repr__(self):
            raise RuntimeError("repr")

    return Lying()


def _silent():
    def refuse(self, name):
        raise RuntimeError(name)

    return type("Kind", (type,), {"__getattribute__": refuse})("Silent", (), {"__getattribute__": refuse})()


@pytest.mark.parametrize("make", [_lying, _silent])
def test_a_value_that_raises_whatever_it_is_asked_is_a_phase_error(make):
    for refused in (lambda: phase(make()), lambda: phase("a", key=make()), lambda: phase("a", probes=make())):
        with pytest.raises(PhaseError):
            refused()


def test_a_number_is_no_list_of_probes():
    with pytest.raises(PhaseError, match="probes=3 is not a list of names"):
        phase("a", probes=3)
    with pytest.raises(PhaseError, match=r"probes='resident' is a string; write a list such as \['resident'\]"):
        phase("a", probes="resident")


def test_an_empty_name_is_an_error_that_shows_it():
    with pytest.raises(PhaseError, match=r"phase\(''\): the name must be a non-empty string"):
        phase("")


def test_a_phase_error_is_a_type_error_too():
    with pytest.raises(TypeError):
        phase("")
