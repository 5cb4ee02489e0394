"""The data of the page: the JSON report, less what the page has in trees of stacks, and the details."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ... import results
from ...analysis.stack_tree import stack_tree
from ..ledger_words import UNEXPLAINED, category_words
from ..worded import worded
from .columns import front_coded, pack

_SAMPLED_METRICS = ("live", "at peak", "allocated")
_HEAP_METRICS = ("growth", "size")
_RISE_METRICS = ("at peak", "kept", "risen")
_NATIVE_METRICS = ("live", "at peak", "allocated", "allocations")


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """A stack of the report, as a tree takes it."""

    root: str
    values: tuple[int, ...]
    stack: list[results.Frame]

    def frames(self) -> list[results.Frame]:
        return self.stack


def page_data(report: results.TraceReport, details: results.Details) -> dict[str, Any]:
    """Returns everything that the page's script draws, ready to be encoded as JSON.

    Args:
        report: the results.
        details: what else is known of the trace.
    """
    known = {process.pid: process for process in details.processes}
    trees = {}
    for process in report.trace.processes:
        phases = [row for row in report.phases if row.pid == process.pid]
        mine = known.get(process.pid)
        native, sampled = (None, None) if mine is None else (mine.native, mine.sampled)
        trees[str(process.pid)] = {
            "native": native or _tree(_NATIVE_METRICS, _native_samples(phases)),
            "sampled": sampled or _tree(_SAMPLED_METRICS, _sampled(phases)),
            "heap": _tree(_HEAP_METRICS, _heap_samples(phases)),
            "rises": _tree(_RISE_METRICS, _rise_samples(report, process.pid)),
        }
    rows = [msgspec.to_builtins(process) | {"native": None, "sampled": None} for process in details.processes]
    return {
        "report": pack(_trimmed(report)),
        "trees": {pid: {name: _packed(tree) for name, tree in mine.items()} for pid, mine in trees.items()},
        "details": rows,
        "sources": msgspec.to_builtins(details.sources),
        "words": {category: category_words(category) for category in sorted(_categories(report))} | {"": UNEXPLAINED},
    }


def _trimmed(report: results.TraceReport) -> dict[str, Any]:
    """Returns the JSON report without the stacks, which are in the trees, and the chains of modules."""
    made: dict[str, Any] = msgspec.to_builtins(worded(report))
    for row in made["phases"]:
        if row["native"] is not None:
            del row["native"]["top"], row["native"]["at_peak"]
        if row["heap"] is not None:
            del row["heap"]["top"], row["heap"]["at_peak"]
        if row["python_heap"] is not None:
            del row["python_heap"]["stacks"], row["python_heap"]["largest_stacks"]
    modules = made["imports"] or []
    numbers = {module["module"]: number for number, module in enumerate(modules)}
    for module in modules:
        del module["chain"], module["file"]
        module["parent"] = numbers.get(module["parent"], module["parent"])  # names are long, and most are in the table
    made["import_packages"] = None
    for process in made["rises"] or []:
        del process["stacks"]
    return made


def _packed(tree: results.StackTree | None) -> dict[str, Any] | None:
    if tree is None:
        return None
    made: dict[str, Any] = msgspec.to_builtins(tree)
    return made | {"strings": front_coded(tree.strings)}


def _tree(metrics: Iterable[str], samples: Iterable[_Sample]) -> results.StackTree | None:
    gathered = list(samples)
    return stack_tree(tuple(metrics), gathered) if gathered else None


def _native_samples(phases: Iterable[results.PhaseRow]) -> Iterator[_Sample]:
    """Yields the largest stacks, for a trace without its capture."""
    for row in phases:
        if row.native is None:
            continue
        for site in row.native.top:
            figures = (site.live_bytes, site.at_peak_bytes, site.allocated_bytes, site.allocations)
            yield _Sample(row.path, figures, site.stack)


def _sampled(phases: Iterable[results.PhaseRow]) -> Iterator[_Sample]:
    """Yields the largest stacks of the sampled live heap, for a trace without details."""
    for row in phases:
        for site in row.heap.top if row.heap is not None else ():
            yield _Sample(row.path, (site.live_bytes, site.at_peak_bytes, site.allocated_bytes), site.stack)


def _heap_samples(phases: Iterable[results.PhaseRow]) -> Iterator[_Sample]:
    for row in phases:
        heap = row.python_heap
        if heap is None:
            continue
        if heap.stacks or heap.largest_stacks:
            # A stack may be in both lists.
            stacks = {
                tuple((line.file, line.line) for line in site.stack): site
                for site in (*heap.largest_stacks, *heap.stacks)
            }
            for frames, one in stacks.items():
                stack = [results.Frame(function="", file=file, line=line) for file, line in frames]
                yield _Sample(row.path, (max(one.delta_bytes, 0), one.size_bytes), stack)
        else:
            lines = {(site.file, site.line): site for site in (*heap.largest, *heap.top)}
            for (file, line), site in lines.items():
                frame = results.Frame(function="", file=file, line=line)
                yield _Sample(row.path, (max(site.delta_bytes, 0), site.size_bytes), [frame])


def _rise_samples(report: results.TraceReport, pid: int) -> Iterator[_Sample]:
    for process in report.rises or []:
        if process.pid == pid:
            for rise in process.stacks:
                yield _Sample(rise.path, (rise.at_peak_bytes, rise.kept_bytes, rise.bytes), rise.stack)


def _categories(report: results.TraceReport) -> set[str]:
    lists = [row.items for row in report.ledger or []] + [row.items for row in report.composition or []]
    return {item.category for items in lists for item in items}
