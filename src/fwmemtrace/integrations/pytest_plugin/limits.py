"""The limits of a test, from its markers and the ini file, and what exceeds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from ...units import format_bytes
from .figures import StageFigures
from .options import DEFAULT_LIMITS, size

_CALLS, _WARMUP, _LEAST_CALLS = 200, 20, 30


class GrowthLimit(NamedTuple):
    """The arguments of `limit_growth`."""

    size_bytes: int
    calls: int
    warmup: int


class Limits(NamedTuple):
    """The limits of a test."""

    sizes: dict[str, int]  # bytes by the marker's name
    growth: GrowthLimit | None

    @classmethod
    def of(cls, item: pytest.Item, defaults: Mapping[str, int]) -> Limits:
        """Return the limits of a test.

        Args:
            item: the test.
            defaults: of the ini file, for tests without these markers.

        Raises:
            pytest.UsageError: if a marker has bad arguments, or stands at something that it does not work for.
        """
        sizes = {name: limit for name in DEFAULT_LIMITS if (limit := _size_of(item, name, defaults)) is not None}
        limits = cls(sizes, _growth_of(item))
        if not isinstance(item, pytest.Function) or hasattr(item, "_testcase") or _is_of_a_test_case(item):
            for name in ("limit_growth", "limit_allocated"):
                if item.get_closest_marker(name) is not None:
                    raise pytest.UsageError(f"{item.nodeid}: {name} works for functions, not for this kind of test")
            sizes.pop("limit_allocated", None)
        return limits

    def share(self, figures: StageFigures) -> float | None:
        """Return how much of a limit the call of a test takes, of the one that it comes closest to; None without."""
        shares = [max(value, 0) / limit for _, value, _, limit in self._against(figures) if limit]
        return max(shares, default=None)

    def _against(self, figures: StageFigures) -> Iterator[tuple[str, int, str, int]]:
        for name, value, words in (
            ("limit_rss", figures.change, "RSS rose by {}"),
            ("limit_peak", figures.peak, "RSS peaked {} above the start of the test"),
            ("limit_imports", figures.imported, "its imports took {}"),
        ):
            if name in self.sizes:
                yield name, value, words, self.sizes[name]

    def exceeded(self, figures: StageFigures) -> Iterator[str]:
        """Yield a line for each limit that the call of a test exceeds; growth and allocations are checked elsewhere."""
        for name, value, words, limit in self._against(figures):
            if value > limit:
                line = f"{words.format(format_bytes(value))}, over the limit of {format_bytes(limit)} ({name})"
                if name != "limit_imports" and figures.imported >= 0.1 * value:
                    line += f"; {format_bytes(figures.imported)} of that are imports"
                yield line


def _is_of_a_test_case(item: pytest.Item) -> bool:
    import unittest

    parent = item.getparent(pytest.Class)
    return parent is not None and isinstance(parent.obj, type) and issubclass(parent.obj, unittest.TestCase)


def _size_of(item: pytest.Item, name: str, defaults: Mapping[str, int]) -> int | None:
    marker = item.get_closest_marker(name)
    if marker is None:
        return defaults.get(name)
    place = f"{item.nodeid}: {name}"
    if len(marker.args) != 1 or marker.kwargs:
        raise pytest.UsageError(f"{place} takes one size, such as {name}('300 MB')")
    return size(marker.args[0], place)


def _growth_of(item: pytest.Item) -> GrowthLimit | None:
    marker = item.get_closest_marker("limit_growth")
    if marker is None:
        return None
    place = f"{item.nodeid}: limit_growth"
    unknown = sorted(set(marker.kwargs) - {"calls", "warmup"})
    if len(marker.args) != 1 or unknown:
        raise pytest.UsageError(f"{place} takes a size, calls= and warmup=, such as limit_growth('1 kB', calls=200)")
    calls, warmup = marker.kwargs.get("calls", _CALLS), marker.kwargs.get("warmup", _WARMUP)
    if not isinstance(calls, int) or not isinstance(warmup, int) or calls < _LEAST_CALLS or warmup < 0:
        raise pytest.UsageError(
            f"{place}: calls={calls!r}, warmup={warmup!r}; a verdict needs at least {_LEAST_CALLS} calls"
        )
    return GrowthLimit(size(marker.args[0], place), calls, warmup)
