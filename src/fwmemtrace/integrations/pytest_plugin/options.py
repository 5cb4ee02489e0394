"""Options, ini settings and markers of the pytest plugin."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ...errors import SettingsError
from ...units import parse_bytes

MARKERS = {
    "limit_rss": (
        'limit_rss("300 MB"): fail the test if RSS is higher by more than this when it ends than when it began'
    ),
    "limit_peak": 'limit_peak("300 MB"): fail the test if RSS was ever higher by more than this than when it began',
    "limit_growth": (
        'limit_growth("1 kB", calls=200, warmup=20): call the test so many times, and fail it if memory grows by more '
        "than this per call"
    ),
    "limit_imports": 'limit_imports("50 MB"): fail the test if the modules that it imports take more RSS than this',
    "limit_allocated": (
        'limit_allocated("1 GB"): fail the test if it allocates more than this in all, counted by memray'
    ),
}
# These have ini settings too, as limits for tests without the marker.
DEFAULT_LIMITS = ("limit_rss", "limit_peak", "limit_imports", "limit_allocated")


def add_options(parser: pytest.Parser) -> None:
    """Define the command-line options and ini settings."""
    group = parser.getgroup("fwmemtrace", "memory by test (fwmemtrace)")
    group.addoption("--fwmemtrace", action="store_true", help="show the memory of each test; all limits apply anyway")
    group.addoption(
        "--fwmemtrace-bin-path", metavar="DIR", help="keep the trace in this folder, for `fwmemtrace report`"
    )
    group.addoption("--fwmemtrace-top", metavar="N", type=int, help="tests in the table at the end (default: 10)")
    group.addoption("--fwmemtrace-probes", metavar="NAMES", help="probes of the session besides resident and imports")
    group.addoption(
        "--fwmemtrace-against",
        metavar="PATH",
        help="fail tests that take more memory than in this trace, or folder of traces, of earlier runs",
    )
    group.addoption(
        "--fwmemtrace-tolerance",
        metavar="SIZE|PERCENT",
        help="an increase that --fwmemtrace-against ignores (default: 5%%, at least 2MB)",
    )
    parser.addini("fwmemtrace", "show the memory of each test", type="bool", default=False)
    for name in ("bin_path", "top", "probes", "against", "tolerance"):
        parser.addini(f"fwmemtrace_{name}", f"the same as --fwmemtrace-{name.replace('_', '-')}", default="")
    for name in DEFAULT_LIMITS:
        parser.addini(f"fwmemtrace_{name}", f"{name} for all tests without this marker, such as 300 MB", default="")


class Tolerance(NamedTuple):
    """How much more than in the baseline is no failure: the larger of the two."""

    size_bytes: int
    share: float

    def allows(self, before: float, after: float) -> bool:
        """Return whether the increase from `before` to `after` bytes is within it."""
        return after - before <= max(self.size_bytes, self.share * abs(before))


class Options(NamedTuple):
    """The settings of one run of pytest, from the command line, then from the ini file."""

    asked: bool  # whether to measure even if no test has a marker
    shown: bool
    folder: str | None
    top: int
    probes: tuple[str, ...]
    against: str | None
    tolerance: Tolerance
    limits: dict[str, int]  # bytes, by marker

    @classmethod
    def of(cls, config: pytest.Config) -> Options:
        """Read them.

        Raises:
            pytest.UsageError: if a value is bad; the message names the option.
        """

        def given(name: str) -> str:
            value = config.getoption(f"fwmemtrace_{name}")
            return str(config.getini(f"fwmemtrace_{name}") if value is None else value)

        shown = bool(config.getoption("fwmemtrace") or config.getini("fwmemtrace"))
        folder, against = given("bin_path") or None, given("against") or None
        limits = {
            name: size(text, f"fwmemtrace_{name}")
            for name in DEFAULT_LIMITS
            if (text := str(config.getini(f"fwmemtrace_{name}")))
        }
        top = given("top")
        if top and not top.isdigit():
            raise pytest.UsageError(f"fwmemtrace_top: {top!r} is not a number of tests")
        return cls(
            asked=bool(shown or folder or against or limits),
            shown=bool(shown or folder or against),
            folder=folder,
            top=int(top) if top else 10,
            probes=tuple(given("probes").replace(",", " ").split()),
            against=against,
            tolerance=_tolerance(given("tolerance")),
            limits=limits,
        )


def size(value: object, place: str) -> int:
    """Return a size in bytes.

    Raises:
        pytest.UsageError: if it is none; the message begins with the place.
    """
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise pytest.UsageError(f"{place}: {value!r} is not a size; write one such as '300 MB'")
    try:
        return parse_bytes(value)
    except (SettingsError, ValueError) as error:
        raise pytest.UsageError(f"{place}: {error}") from None


def _tolerance(text: str) -> Tolerance:
    if not text:
        return Tolerance(2_000_000, 0.05)
    if text.endswith("%"):
        try:
            return Tolerance(0, float(text[:-1]) / 100)
        except ValueError:
            raise pytest.UsageError(f"fwmemtrace_tolerance: {text!r} is neither a size nor a percentage") from None
    return Tolerance(size(text, "fwmemtrace_tolerance"), 0.0)
