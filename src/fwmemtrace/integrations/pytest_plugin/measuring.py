"""Runs every test in phases of its own and checks its limits."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from ...errors import FwmemtraceError
from ...recording.session import Session
from ...recording.switch import session
from ...sinks.base import Sink
from ...sinks.fan_out import FanOutSink
from ...sinks.trace_file import TraceFileSink
from ...system.meters import open_meter
from ...tracing.phases import phase
from ...units import format_bytes
from .baseline import Baseline
from .figures import FIGURES, OF_LIMIT, SETUP, TOTAL, TOTALS, FiguresSink, Total
from .limits import GrowthLimit, Limits
from .options import Options

_LIMITS = pytest.StashKey[Limits]()


class TestMemory:
    """The hooks that measure, in each process that runs tests."""

    __test__ = False  # not a test class, whatever its name

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self._config = config
        self._options = options
        self._baseline = Baseline.read(options.against) if options.against else None
        self._figures = FiguresSink()
        self._path = _trace_path(config, options)
        sink: Sink = self._figures
        try:
            if self._path is not None:
                sink = FanOutSink(TraceFileSink(self._path), self._figures)
            self._session: Session = session(sink, probes=["imports", *options.probes])
        except FwmemtraceError as error:
            raise pytest.UsageError(f"fwmemtrace cannot measure the tests: {error}") from error
        config.add_cleanup(self._session.stop)

    def total(self) -> Total:
        """Stop, and return the figures of the whole process."""
        self._session.stop()
        figures = self._figures
        path = None if self._path is None else str(self._path)
        return Total(figures.start_bytes, figures.end_bytes, figures.peak_bytes, path, _worker(self._config))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        total = self.total()
        output = getattr(self._config, "workeroutput", None)
        if output is not None:  # a worker of pytest-xdist: its controller shows the figures of all
            output[TOTAL] = list(total)
        else:
            self._config.stash[TOTALS] = [total]

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        with phase("collection"):
            return (yield)

    def check(self, items: Sequence[pytest.Item]) -> None:
        """Read the limits of all tests.

        Raises:
            pytest.UsageError: if a marker has bad arguments.
        """
        for item in items:
            self._limits(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        with phase(item.nodeid or "test"):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            with phase("setup"):
                return (yield)
        finally:
            figures = self._figures.take_latest()
            if figures is not None:
                item.user_properties.append((SETUP, figures.change))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        with phase("teardown"):
            return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)  # innermost: what other plugins do around the call is not the test's
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        figures = None
        limits = self._limits(item)
        try:
            with phase("call"):
                result = yield
        finally:
            figures = self._figures.take_latest()
            if figures is not None:
                for name, value in zip(FIGURES, (figures.change, figures.peak, figures.imported), strict=True):
                    item.user_properties.append((name, value))
                if (share := limits.share(figures)) is not None:
                    item.user_properties.append((OF_LIMIT, round(100 * share)))
        if figures is not None:
            problems = list(limits.exceeded(figures))
            if self._baseline is not None:
                problems += self._baseline.regressions(item.nodeid, figures, self._options.tolerance)
            if problems:
                pytest.fail("\n".join(problems), pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        limits = self._limits(pyfuncitem)
        if limits.growth is not None:
            self._check_growth(pyfuncitem, limits.growth)
        if "limit_allocated" not in limits.sizes:
            return (yield)
        if self._config.getoption("memray", False):
            pytest.fail("limit_allocated cannot be measured with --memray, which tracks the test too", pytrace=False)
        from .allocated import count_allocated

        with count_allocated() as allocated:
            result = yield
        limit = limits.sizes["limit_allocated"]
        if allocated.size is not None and allocated.size > limit:
            problem = f"it allocated {format_bytes(allocated.size)}, over the limit of {format_bytes(limit)}"
            pytest.fail(f"{problem} (limit_allocated)", pytrace=False)
        return result

    def _limits(self, item: pytest.Item) -> Limits:
        return item.stash.setdefault(_LIMITS, Limits.of(item, self._options.limits))

    def _check_growth(self, item: pytest.Function, limit: GrowthLimit) -> None:
        """Call the test function all times but the last, which is pytest's own, and fail if memory grows."""
        from .growth import measure_growth

        arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
        meter = open_meter(exact_peak=False)
        try:
            found = measure_growth(lambda: item.obj(**arguments), limit.calls - 1, limit.warmup, meter.rss)
        finally:
            meter.close()
        problems = [
            f"{growth.figure} grew by {format_bytes(growth.verdict.estimate.slope)} per call over {limit.calls} calls, "
            f"over the limit of {format_bytes(limit.size_bytes)} (limit_growth)"
            for growth in found
            if growth.exceeds(limit.size_bytes)
        ]
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)


def _trace_path(config: pytest.Config, options: Options) -> Path | None:
    """Return the path of this process's trace: `tests.bin`, and `tests.gw0.bin` in a worker of pytest-xdist."""
    if options.folder is None:
        return None
    folder = config.rootpath / options.folder
    folder.mkdir(parents=True, exist_ok=True)
    worker = _worker(config)
    return folder / (f"tests.{worker}.bin" if worker else "tests.bin")


def _worker(config: pytest.Config) -> str:
    """Return which worker of pytest-xdist this process is; "" for none."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))
