"""Which changes are worth a trial, from what the first passes of a suite saw."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..analysis.suite.batch_growth import batch_growth
from ..analysis.suite.figures import row_of, service_figure, service_held
from ..analysis.suite.reading import SuiteProcess
from ..analysis.suite.stages import AFTER_TRIM, BATCH, in_a_stage
from ..analysis.suite.unused import unused_imports
from ..records import SuiteChange
from .changes import BOUND, MOVE, OPTION, SHARE, TRIM, VARIABLE
from .growing_dicts import GROWING
from .library_options import OPTIONS
from .protocol import SuiteEntry

WORTH_A_TRIAL = 2_000_000  # bytes of an unused import, or of free memory in the allocator, that justify a process
PART_WORTH_A_TRIAL = 10_000_000  # the same for a part of a package that is used
VARIABLES = ("MALLOC_ARENA_MAX=1", "MALLOC_TRIM_THRESHOLD_=131072")
_SEEMS_SAVED, _SHARE_SAVED = 500_000, 0.005  # bytes, and of what is held: half of what is worth a row
_FIGURES, _MEASURES = (service_held, service_figure), ("rss", "unevictable")
_LATE = 0.1  # of the growth over a batch
_BATCH_S = 2.0  # for a batch that shows no growth
_JEMALLOC = ("/usr/lib/*/libjemalloc.so.2", "/usr/lib*/libjemalloc.so.2", "/usr/local/lib/libjemalloc.so.2")


@dataclass(frozen=True)
class OwnLine:
    """An import statement of the program's own code.

    Attributes:
        file: its source file.
        line: its line.
        modules: the modules that it led to and that no request used, with the RSS that each added, in bytes.
    """

    file: str
    line: int
    modules: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """RSS that all of them added."""
        return sum(self.modules.values())

    @property
    def change(self) -> SuiteChange:
        """The change that moves it."""
        return SuiteChange(MOVE, "", f"{self.file}:{self.line}")


def used_modules(use: SuiteProcess | None) -> frozenset[str] | None:
    """Returns the modules that the requests of a component used; None if that was not watched to the end."""
    if use is None or use.own.use is None:
        return None
    return frozenset({*use.own.use.ran, *use.own.use.read})


def own_lines(light: SuiteProcess, used: frozenset[str] | None) -> list[OwnLine]:
    """Returns the statements that lead to unused imports and can be edited, those that bring most first."""
    if light.report is None or light.report.imports is None or used is None:
        return []
    found: dict[tuple[str, int], dict[str, int]] = {}
    for row in light.report.imports:
        own = row.nearest_own
        if own is None or row.error is not None or not in_a_stage(row.phase) or _is_used(row.module, used):
            continue
        modules = found.setdefault((own.file, own.line), {})
        modules[row.module] = modules.get(row.module, 0) + row.own_bytes
    lines = [OwnLine(file, line, modules) for (file, line), modules in found.items()]
    return sorted((one for one in lines if one.bytes >= WORTH_A_TRIAL), key=lambda one: -one.bytes)


def lines_saved(lines: Iterable[OwnLine], moved: SuiteProcess) -> Iterator[tuple[OwnLine, int]]:
    """Yields the lines that are worth moving, with the bytes of the modules that stayed unloaded in a process so."""
    if moved.run.outcome != "ok" or moved.report is None or moved.report.imports is None:
        return
    loaded = {row.module for row in moved.report.imports}
    for line in lines:
        size = sum(size for module, size in line.modules.items() if module not in loaded)
        if size >= WORTH_A_TRIAL:
            yield line, size


def unused_roots(light: SuiteProcess, used: frozenset[str] | None) -> list[str]:
    """Returns the unused imports that are large enough for a trial: packages first, then parts of packages in use."""
    if light.report is None or light.report.imports is None or used is None:
        return []
    packages = [one.root for one in unused_imports(light.report.imports, used) if one.bytes >= WORTH_A_TRIAL]
    parts = [
        one.root
        for one in unused_imports(light.report.imports, used, whole=False)
        if one.bytes >= PART_WORTH_A_TRIAL and one.root not in packages
    ]
    return [*packages, *parts]


def trimmed_bytes(light: SuiteProcess) -> int:
    """Returns what trimming the allocator after the requests gave back."""
    if light.report is None:
        return 0
    return sum(
        -phase.resident.delta_bytes
        for phase in light.report.phases
        if phase.path == AFTER_TRIM and phase.resident is not None
    )


def saves(light: SuiteProcess, tried: SuiteProcess) -> bool:
    """Tells whether a change seems to save memory, so that its spread is worth further runs."""
    if tried.run.outcome != "ok":
        return False
    figures = [(figure(light, measure), figure(tried, measure)) for figure in _FIGURES for measure in _MEASURES]
    return any(
        now is not None and after is not None and now - after >= max(_SEEMS_SAVED, _SHARE_SAVED * now)
        for now, after in figures
    )


def options(uses: Iterable[SuiteProcess | None]) -> list[SuiteChange]:
    """Returns the options that would change something in any of the processes that watched what is used."""
    watched = [one.own.use.options or {} for one in uses if one is not None and one.own.use is not None]
    return [SuiteChange(OPTION, "", option) for option in OPTIONS if any(option in found for found in watched)]


def dicts_to_bound(entry: SuiteEntry, light: SuiteProcess, use: SuiteProcess | None) -> list[SuiteChange]:
    """Returns changes that bound the dicts that grow with the requests of a component, if its RSS grows, too."""
    noted = use.own.use.options if use is not None and use.own.use is not None else None
    rss = light.own.requests
    if not (noted or {}).get(GROWING) or not rss or rss[-1] - rss[0] < WORTH_A_TRIAL:
        return []
    # What still grows once every input has been asked is bounded by something else than the number of inputs.
    growth = batch_growth([light], entry.batch)
    asked = rss[min(entry.inputs, len(rss)) - 1]
    if growth is not None and growth.verdict == "saturating" and rss[-1] - asked > _LATE * (rss[-1] - rss[0]):
        return []
    return [SuiteChange(BOUND, entry.name, one.rpartition(": ")[0]) for one in (noted or {})[GROWING]]


def allocator_changes(light: Sequence[SuiteProcess]) -> Iterator[SuiteChange]:
    """Yields what can make the allocator hold less, if it held free memory."""
    if all(trimmed_bytes(one) < WORTH_A_TRIAL for one in light):
        return
    yield SuiteChange(TRIM, "", "malloc")
    for variable in VARIABLES:
        yield SuiteChange(VARIABLE, "", variable)
    library = jemalloc()
    if library and "LD_PRELOAD" not in os.environ:
        yield SuiteChange(VARIABLE, "", f"LD_PRELOAD={library}")


def jemalloc() -> str:
    """Returns the path of the jemalloc library, "" if it is not installed."""
    return next((path for pattern in _JEMALLOC for path in sorted(glob.glob(pattern))), "")


def sharing_changes(uses: Iterable[SuiteProcess]) -> Iterator[SuiteChange]:
    """Yields sharing of equal tensors, if components have such, or several of them have large ones of one type."""
    stocks = [one.own.arrays for one in uses if one.own.arrays is not None]
    types = Counter(
        kind
        for stock in stocks
        for kind in {(row.library, row.dtype) for row in stock.arrays if row.resident_bytes >= WORTH_A_TRIAL}
        if kind[0] in ("torch", "numpy")
    )
    if any(stock.twins for stock in stocks) or any(count > 1 for count in types.values()):
        yield SuiteChange(SHARE, "", "")


def batch_that_shows(entry: SuiteEntry, light: SuiteProcess) -> int:
    """Returns a number of requests that shows as much as the whole batch: each input once, if RSS does not grow.

    Growth is judged in the passes that make all requests. 0 stands for as many as the component declares.
    """
    growth = batch_growth([light], entry.batch)
    row = row_of(light, BATCH)
    if growth is None or row is None or growth.verdict != "flat":
        return 0
    in_time = int(_BATCH_S * 1e9 * entry.batch / max(row.wall_ns, 1))
    return min(entry.batch, max(entry.inputs, in_time))


def expected_savings(
    light: Iterable[SuiteProcess], tried: Iterable[SuiteProcess], measure: str
) -> dict[SuiteChange, int]:
    """Returns what single changes saved of each component alone; a change of several components saves the sum.

    Args:
        light: a run of each component as it is.
        tried: runs of components with changes.
        measure: what a budget limits: "rss" or "unevictable".
    """
    before = {one.run.component: service_figure(one, measure) for one in light}
    saved: dict[SuiteChange, dict[str, int]] = {}
    for one in tried:
        now, after = before.get(one.run.component), service_figure(one, measure)
        if one.run.outcome == "ok" and len(one.changes) == 1 and now is not None and after is not None:
            saved.setdefault(one.changes[0], {})[one.run.component] = now - after
    return {change: sum(components.values()) for change, components in saved.items()}


def _is_used(module: str, used: frozenset[str]) -> bool:
    return module in used or any(name.startswith(module + ".") for name in used)
