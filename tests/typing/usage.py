# pyright: strict
"""What users write, for the type checkers alone: `tox -e types` reads it with mypy --strict and with strict pyright."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.suite import Component


@phase
def bare(text: str) -> int:
    return len(text)


@phase("named", model="minilm", size=3)
def named(text: str, *, times: int = 1) -> list[str]:
    return [text] * times


@phase("coroutine")
async def coroutine(text: str) -> bytes:
    async with phase("inner"):
        return text.encode()


@phase("generator")
def generator(count: int) -> Iterator[int]:
    yield from range(count)


@phase("async generator")
async def async_generator() -> AsyncIterator[str]:
    yield "a"


class Guard:
    @phase("check")
    def check(self, text: str) -> bool:
        return bool(text)

    @staticmethod
    @phase("load")
    def load() -> Guard:
        return Guard()


assert_type(bare("a"), int)
assert_type(named("a", times=2), list[str])
assert_type(next(generator(3)), int)
assert_type(Guard.load().check("a"), bool)


async def awaiting() -> None:
    assert_type(await coroutine("a"), bytes)
    async for item in async_generator():
        assert_type(item, str)


with fwmemtrace.session("trace.bin", probes=["resident", "imports"], interval="10ms") as session:
    with phase("init"):
        pass
    assert_type(session.path, str | None)

for row in fwmemtrace.read("trace.bin").phases:
    if row.resident is not None:
        assert_type(row.resident.delta_bytes, int)
assert_type(fwmemtrace.read("trace.bin").report("markdown"), str)

components = [Component("guard", Guard, Guard.check, ["hello"])]
