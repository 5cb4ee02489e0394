"""The planner with made-up processes: what it runs while there is time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fwmemtrace import results
from fwmemtrace.analysis.suite.reading import SuiteProcess, SuiteRecords
from fwmemtrace.records import SuiteChange, SuiteRun
from fwmemtrace.suite.changes import SPLIT, VARIANT
from fwmemtrace.suite.passes import Pass
from fwmemtrace.suite.planner import Planner, Service

MB = 1_000_000
START = 20 * MB
SIZES = {"gate": 30 * MB, "cache": 80 * MB, "validator": 700 * MB}
NAMES = dict(enumerate(SIZES))


class Machine:
    """Runs each process in ten seconds; a component takes what it takes by itself."""

    at_once = 1

    def __init__(self, saved: Mapping[frozenset[SuiteChange], int] | None = None) -> None:
        self.time = 0.0
        self.left_out: list[str] = []
        self.saved = saved or {}
        self.changes: list[frozenset[SuiteChange]] = []

    def clock(self) -> float:
        return self.time

    def run(self, passes: Sequence[Pass]) -> list[SuiteProcess]:
        return [self.process(one) for one in passes]

    def process(self, one: Pass) -> SuiteProcess:
        self.time += 10
        self.left_out += [change.component for change in one.changes if change.kind == SPLIT]
        self.changes.append(frozenset(one.changes))
        saved = sum(size for changes, size in self.saved.items() if changes <= {*one.changes})
        held = START + sum(SIZES[NAMES[position]] for position in one.positions) - saved
        resident = results.Resident(before_bytes=START, after_bytes=held, delta_bytes=held - START, peak_bytes=held)
        phases = [
            results.PhaseRow(path=path, pid=1, calls=1, errors=0, wall_ns=1, resident=resident)
            for path in ("import", "after gc")
        ]
        info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[])
        run = SuiteRun(1, "", one.purpose, 0, "", "ok", "", "", 10 * 10**9, list(one.changes))
        return SuiteProcess(run, results.TraceReport(trace=info, phases=phases), SuiteRecords())


def left_out(seconds: float) -> list[str]:
    machine = Machine()
    planner = Planner(
        machine,  # type: ignore[arg-type]
        Service(NAMES, [], {}, {}, SIZES),
        limit=200 * MB,
        bare=9 * MB,
        measure="rss",
        repeat=1,
        seconds=seconds,
        clock=machine.clock,
    )
    planner.take(machine.process(Pass(positions=tuple(NAMES), component="", purpose="together", probes=())))
    planner.run()
    return list(dict.fromkeys(machine.left_out))


def test_the_largest_component_is_left_out_first() -> None:
    assert left_out(1000)[0] == "validator"
    assert set(left_out(1000)) == set(SIZES)


def test_with_little_time_only_the_largest_is_left_out() -> None:
    assert left_out(25)[:1] == ["validator"]
    assert len(left_out(25)) < len(SIZES)


def planner_of(machine: Machine, service: Service) -> Planner:
    return Planner(
        machine,  # type: ignore[arg-type]
        service,
        limit=9 * MB,
        bare=9 * MB,
        measure="rss",
        repeat=1,
        seconds=200,
        clock=machine.clock,
    )


def test_of_two_variants_the_one_that_saves_more_in_the_service_is_combined() -> None:
    """By itself, the gate needs least without a library, which the validator brings in the service."""
    other, light, small = (
        SuiteChange(VARIANT, component, name)
        for component, name in (("gate", "without the library"), ("gate", "light"), ("validator", "small"))
    )
    machine = Machine({frozenset((light,)): 20 * MB, frozenset((small,)): 400 * MB})
    planner = planner_of(
        machine, Service(NAMES, [other, light, small], {}, {other: 25 * MB, light: 20 * MB, small: 400 * MB}, SIZES)
    )
    service = Pass(positions=tuple(NAMES), component="", purpose="together", probes=())
    for changes in ((), (other,), (light,), (small,)):
        planner.take(machine.process(replace(service, changes=changes)))
    known = len(machine.changes)
    machine.time = 0.0
    planner.run()
    assert machine.changes[known] == {light, small}


def test_without_the_largest_component_the_variant_that_saves_most_alone_is_tried() -> None:
    other, light = (SuiteChange(VARIANT, "cache", name) for name in ("without the library", "light"))
    machine = Machine({frozenset((light,)): 20 * MB})
    planner = planner_of(machine, Service(NAMES, [other, light], {}, {other: 60 * MB, light: 20 * MB}, SIZES))
    planner.take(machine.process(Pass(positions=tuple(NAMES), component="", purpose="together", probes=())))
    planner.run()
    assert {other, SuiteChange(SPLIT, "validator", "")} in machine.changes
