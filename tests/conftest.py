"""Fixtures that all tests share, and what keeps every test independent of the machine that it runs on."""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

from fwmemtrace import core

Until: TypeAlias = Callable[[Callable[[], object]], None]

# Every run tries the same examples, so that a change makes a property fail and not chance, and takes as long as it
# takes. `--hypothesis-profile explore` tries others.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("whole", settings.get_profile("explore"), derandomize=True)
settings.register_profile("fast", settings.get_profile("whole"), max_examples=20)
settings.load_profile("explore")

# A session that the tests run in must not reach the programs that they start.
for _name in [name for name in os.environ if name.startswith("FWMEMTRACE") and name != core.VARIABLE]:
    del os.environ[_name]


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples of each property are tried: fewer in the fast tier."""
    if not config.getoption("hypothesis_profile"):
        settings.load_profile("fast" if "not slow" in config.option.markexpr else "whole")


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what `-m` does not name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs torch; run it and other big libraries last: in a big process, walks over the heap take long."""
    for item in items:
        if "torch" in getattr(item, "fixturenames", ()):
            item.add_marker("guard")
    items.sort(key=_brings_big_libraries)


def _brings_big_libraries(item: pytest.Item) -> bool:
    folders = {"exporters", "fleet", "integrations", "suite"}
    return item.get_closest_marker("guard") is not None or not folders.isdisjoint(item.path.parts)


@pytest.fixture
def new_memory() -> Callable[[int], mmap.mmap]:
    """Makes memory that is resident from now until it is closed.

    A bytearray would do in a fresh process. In one that has run other tests, malloc may serve it from memory that it
    kept, and RSS stays where it is.
    """

    def make(size: int) -> mmap.mmap:
        block = mmap.mmap(-1, size)
        for start in range(0, size, mmap.PAGESIZE):
            block[start] = 1
        return block

    return make


@pytest.fixture
def on_signal() -> Iterator[Callable[[int, Any], None]]:
    """Sets what a signal does in this process, and in those that it starts, until the end of the test.

    A program started in the background, by nohup or by some CI runners ignores SIGINT or SIGHUP; so do its children.
    """
    before: dict[int, Any] = {}

    def handle(number: int, handler: Any) -> None:
        before.setdefault(number, signal.signal(number, handler))

    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def wait_until() -> Until:
    """Waits for a condition, however slow the machine is; the limit only ends a test that hangs."""

    def wait(condition: Callable[[], object]) -> None:
        over = time.monotonic() + 300
        while not condition():
            assert time.monotonic() < over, "it never came true"
            time.sleep(0.005)

    return wait


@pytest.fixture
def eventually() -> Callable[[Callable[[], None]], None]:
    """Repeats a check until it passes, twenty times at most.

    For two readings of one figure that other processes move between them: when one that shares our libraries starts or
    ends, our USS and PSS change. A wrong figure fails every time.
    """

    def repeat(check: Callable[[], None]) -> None:
        for pause in range(19):
            try:
                return check()
            except AssertionError:
                time.sleep(pause / 50)
        return check()

    return repeat
