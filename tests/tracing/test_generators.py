"""`@phase` on generators: the phase is current while the generator runs, and not while it is suspended."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading

import pytest

from fwmemtrace import phase


@phase("gen")
def generator():
    with phase("first"):
        received = yield 1
    with phase("second"):
        yield received
    return "returned"


def test_items_send_and_return_value(traced):
    def outer():
        return (yield from generator())

    iterator = outer()
    assert next(iterator) == 1
    assert iterator.send("sent") == "sent"
    with pytest.raises(StopIteration) as stop:
        next(iterator)
    assert stop.value.value == "returned"
    assert traced.events == [
        *("+gen", "+gen/first", "-gen/first", "+gen/second", "-gen/second", "-gen"),
    ]


def test_the_phase_begins_with_the_first_item(traced):
    iterator = generator()
    assert traced.events == []
    next(iterator)
    assert traced.events[0] == "+gen"
    iterator.close()


def test_the_caller_s_phase_is_current_while_it_is_suspended(traced):
    with phase("caller"):
        for _ in generator():
            with phase("body"):
                pass
    assert traced.paths == [
        *("caller", "caller/gen", "caller/gen/first", "caller/body", "caller/gen/second", "caller/body"),
    ]


def test_after_the_generator_nothing_of_it_is_current(traced):
    iterator = generator()
    next(iterator)
    with phase("between"):
        pass
    iterator.close()
    with phase("after"):
        pass
    assert traced.paths[-2:] == ["between", "after"]


def test_interleaved_generators_keep_apart(traced):
    @phase("left")
    def left():
        with phase("l"):
            yield 1
            yield 2

    @phase("right")
    def right():
        with phase("r"):
            yield 1
            with phase("deep"):
                yield 2

    assert list(zip(left(), right(), strict=True)) == [(1, 1), (2, 2)]
    assert traced.paths == ["left", "left/l", "right", "right/r", "right/r/deep"]
    assert traced.open == []


def test_a_generator_resumed_in_another_phase_goes_back_to_that_one(traced):
    iterator = generator()
    with phase("one"):
        next(iterator)
    with phase("two"):
        next(iterator)
        with phase("inside two"):
            pass
    iterator.close()
    assert "two/inside two" in traced.paths
    assert "one/gen/second" in traced.paths  # the generator's phase lies where it began


def test_throw_reaches_the_generator(traced):
    @phase("gen")
    def catching():
        try:
            yield 1
        except KeyError as error:
            yield f"caught {error.args[0]}"

    iterator = catching()
    next(iterator)
    assert iterator.throw(KeyError("x")) == "caught x"
    assert list(iterator) == []
    assert traced.events == ["+gen", "-gen"]


def test_an_exception_thrown_in_and_not_caught_ends_the_phase_with_its_type(traced):
    iterator = generator()
    next(iterator)
    with pytest.raises(KeyError):
        iterator.throw(KeyError("x"))
    assert traced.events[-2:] == ["-gen/first KeyError", "-gen KeyError"]


def test_an_exception_of_the_generator_propagates(traced):
    @phase("gen")
    def failing():
        yield 1
        raise ValueError("mine")

    iterator = failing()
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="mine"):
        next(iterator)
    assert traced.events == ["+gen", "-gen ValueError"]


def test_a_stop_iteration_inside_is_a_runtime_error_as_without_a_phase(traced):
    @phase("gen")
    def failing():
        yield 1
        raise StopIteration

    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        list(failing())
    assert traced.events == ["+gen", "-gen RuntimeError"]


def test_closing_is_a_normal_end(traced):
    cleaned = []

    @phase("gen")
    def closing():
        try:
            yield 1
        finally:
            with phase("cleaning"):
                cleaned.append(True)

    iterator = closing()
    next(iterator)
    iterator.close()
    assert cleaned == [True]
    assert traced.events == ["+gen", "+gen/cleaning", "-gen/cleaning", "-gen"]


def test_closing_one_that_never_began_records_nothing(traced):
    generator().close()
    assert traced.events == []


def test_a_generator_that_ignores_close_is_a_runtime_error_as_without_a_phase(traced):
    @phase("gen")
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    iterator = stubborn()
    next(iterator)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        iterator.close()
    assert traced.open == []


def test_one_that_raises_something_else_when_closed(traced):
    @phase("gen")
    def failing():
        try:
            yield 1
        finally:
            raise ValueError("on close")

    iterator = failing()
    next(iterator)
    with pytest.raises(ValueError, match="on close"):
        iterator.close()
    assert traced.events == ["+gen", "-gen ValueError"]


def test_one_that_is_dropped_ends_its_phase(traced):
    iterator = generator()
    next(iterator)
    del iterator
    gc.collect()
    assert traced.open == []
    assert traced.events[-1] == "-gen"


def test_an_abandoned_loop(traced):
    with phase("caller"):
        for item in generator():
            if item == 1:
                break
        with phase("after"):
            pass
    gc.collect()
    assert "caller/after" in traced.paths
    assert traced.open == []


def test_recursive_generators(traced):
    @phase("walk")
    def walk(depth):
        yield depth
        if depth:
            yield from walk(depth - 1)

    assert list(walk(2)) == [2, 1, 0]
    assert traced.paths == ["walk", "walk/walk", "walk/walk/walk"]
    assert traced.open == []


def test_an_empty_generator(traced):
    @phase("empty")
    def empty():
        return
        yield

    assert list(empty()) == []
    assert traced.events == ["+empty", "-empty"]


def test_a_generator_started_in_one_thread_and_finished_in_another(traced):
    iterator = generator()
    next(iterator)
    rest = []
    thread = threading.Thread(target=lambda: rest.extend(iterator))
    thread.start()
    thread.join()
    assert rest == [None]
    assert traced.open == []
    assert traced.paths == ["gen", "gen/first", "gen/second"]


def test_a_generator_run_in_another_context(traced):
    iterator = generator()
    with phase("here"):
        next(iterator)
        contextvars.copy_context().run(next, iterator)
        with phase("still here"):
            pass
    iterator.close()
    assert "here/still here" in traced.paths
    assert traced.open == []


def test_an_untouched_generator_without_a_session():
    def outer():
        return (yield from generator())

    iterator = outer()
    assert next(iterator) == 1
    assert iterator.send("sent") == "sent"
    with pytest.raises(StopIteration) as stop:
        next(iterator)
    assert stop.value.value == "returned"


# -- async generators --------------------------------------------------------------------------------------------------


@phase("agen")
async def async_generator():
    with phase("first"):
        received = yield 1
    await asyncio.sleep(0)
    with phase("second"):
        yield received


def test_async_items_and_asend(traced):
    async def main():
        iterator = async_generator()
        assert await anext(iterator) == 1
        assert await iterator.asend("sent") == "sent"
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)

    asyncio.run(main())
    assert traced.events == ["+agen", "+agen/first", "-agen/first", "+agen/second", "-agen/second", "-agen"]


def test_the_caller_s_phase_is_current_while_an_async_one_is_suspended(traced):
    async def main():
        with phase("caller"):
            async for _ in async_generator():
                with phase("body"):
                    await asyncio.sleep(0)

    asyncio.run(main())
    assert traced.paths == [
        *("caller", "caller/agen", "caller/agen/first", "caller/body", "caller/agen/second", "caller/body"),
    ]


def test_athrow_reaches_the_async_generator(traced):
    @phase("agen")
    async def catching():
        try:
            yield 1
        except KeyError:
            yield "caught"

    async def main():
        iterator = catching()
        await anext(iterator)
        assert await iterator.athrow(KeyError("x")) == "caught"
        assert [item async for item in iterator] == []

    asyncio.run(main())
    assert traced.events == ["+agen", "-agen"]


def test_an_exception_of_an_async_generator_propagates(traced):
    @phase("agen")
    async def failing():
        yield 1
        raise ValueError("mine")

    async def main():
        with pytest.raises(ValueError, match="mine"):
            async for _ in failing():
                pass

    asyncio.run(main())
    assert traced.events == ["+agen", "-agen ValueError"]


def test_aclose_is_a_normal_end(traced):
    cleaned = []

    @phase("agen")
    async def closing():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    async def main():
        iterator = closing()
        await anext(iterator)
        await iterator.aclose()

    asyncio.run(main())
    assert cleaned == [True]
    assert traced.events == ["+agen", "-agen"]


def test_an_abandoned_async_generator_is_finished_by_the_loop(traced):
    async def main():
        async for _ in async_generator():
            break
        with phase("after"):
            pass

    asyncio.run(main())
    gc.collect()
    assert "after" in traced.paths
    assert traced.open == []


def test_an_async_generator_without_a_session():
    async def main():
        return [item async for item in async_generator()]

    assert asyncio.run(main()) == [1, None]
