"""Levers: imports that nothing was called of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...results.suite import SuiteFact, SuiteLever
from .evidence import NAMED, Evidence, count, fact, used_modules, worthwhile
from .profile import held
from .reading import SuiteProcess
from .spreads import saving
from .unused import UnusedImport, unused_imports

SERVICE = "the service"  # in place of a component's name, where a lever is about all of them


def import_levers(one: Evidence) -> Iterator[SuiteLever]:
    """What one component imports and does not use; nothing where its use was not watched to the end."""
    truth, used = one.of("resident"), used_modules(one.of("use"))
    report = truth[-1].report if truth else None
    if report is None or report.imports is None or used is None:
        return
    tried = {process.run.variant for process in one.of("deferred") if _stayed_off(process, process.run.variant)}
    packages = {unused.root: unused for unused in unused_imports(report.imports, used)}
    parts = {unused.root: unused for unused in unused_imports(report.imports, used, whole=False)}
    for root in tried:
        if root not in packages and root in parts:
            packages[root] = parts[root]
    for unused in packages.values():
        yield from _unused_import(one, unused)


def _unused_import(one: Evidence, unused: UnusedImport) -> Iterator[SuiteLever]:
    others = [name for name, modules in one.others.items() if _uses(modules, unused.root)]
    said = _about_unused(one, unused)
    if others:
        said.append(fact(f"in one process with {', '.join(others)} nothing is saved: there it is in use"))
    also = _importers(one, unused.root)
    if also and not others:
        said.append(fact(f"{', '.join(also)} imports it too: in one process it goes only where all leave it out"))
    measured = [process for process in one.of("deferred", unused.root) if _stayed_off(process, unused.root)]
    before, after = one.component.held, held(measured)
    if before is not None and after is not None:
        low, high = saving(before, after)
        if low <= one.noise:
            return
        said.append(fact(f"never loaded in {count(len(measured), 'fresh process', 'es')} that put its import off"))
    else:
        low = high = unused.bytes
        said += _why_not_put_off(one, unused.root)
    yield from worthwhile(
        one,
        lever=f"do not import {unused.root}",
        kind="import",
        low=low,
        high=high,
        basis="computed" if after is None else "measured",
        phase=unused.phase,
        evidence=said,
        after=None if after is None else after.median_bytes,
        in_service=0 if others or also else None,
    )


def _importers(one: Evidence, root: str) -> list[str]:
    return [name for name, packages in one.importers.items() if root.partition(".")[0] in packages]


def levers_of_all(levers: Sequence[SuiteLever], evidence: Sequence[Evidence]) -> list[SuiteLever]:
    """Rows for imports that more than one component can do without, and none of the others needs."""
    service = held(next((one.together for one in evidence), ()))
    by_name = {one.component.name: one for one in evidence}
    same: dict[str, list[SuiteLever]] = {}
    for lever in levers:
        if lever.kind == "import":
            same.setdefault(lever.lever, []).append(lever)
    made = []
    for text, rows in same.items():
        root = text.rpartition(" ")[2]
        names = [row.component for row in rows]
        importers = {name for row in rows for name in _importers(by_name[row.component], root)}
        if service is None or len(rows) < 2 or not importers <= set(names):
            continue
        largest = max(rows, key=lambda row: row.saves_high_bytes)
        # What all of them import is there once: without it, the service is rid of the biggest of their parts.
        low, high = max(row.saves_low_bytes for row in rows), largest.saves_high_bytes
        made.append(
            SuiteLever(
                component=SERVICE,
                lever=f"{text} in any",
                kind="import",
                now_bytes=service.median_bytes,
                saves_low_bytes=low,
                saves_high_bytes=high,
                after_bytes=service.median_bytes - (low + high) // 2,
                basis="computed",
                phase=largest.phase,
                evidence=[
                    fact(f"in a process of its own {row.component} holds {{}} for it", row.saves_high_bytes)
                    for row in rows
                ],
                in_service_bytes=(low + high) // 2,
            )
        )
    return made


def _about_unused(one: Evidence, unused: UnusedImport) -> list[SuiteFact]:
    requests = max((process.own.use.requests for process in one.of("use") if process.own.use is not None), default=0)
    said = [
        fact(
            f"none of its functions was called and none of its attributes read by init and "
            f"{count(requests, 'request')}, while {count(unused.modules, 'module')} came with it and {{}} of RSS",
            unused.bytes,
        )
    ]
    if unused.chain:
        said.append(fact("imported by " + " > ".join(unused.chain[-NAMED:])))
    if unused.with_it:
        more = len(unused.with_it) - NAMED
        said.append(fact("with it " + ", ".join(unused.with_it[:NAMED]) + (f" and {more} more" if more > 0 else "")))
    return said


def _uses(modules: frozenset[str], root: str) -> bool:
    return any(module == root or module.startswith(root + ".") for module in modules)


def _stayed_off(process: SuiteProcess, root: str) -> bool:
    deferred = process.own.deferred
    return deferred is not None and root in deferred.put_off and root not in deferred.loaded


def _why_not_put_off(one: Evidence, root: str) -> list[SuiteFact]:
    """What came of trying to put the import off, where that was tried and did not work."""
    for process in one.processes:
        if process.run.purpose != "deferred" or process.own.deferred is None:
            continue
        where = process.own.deferred.loaded.get(root)
        if process.run.outcome == "ok" and where is not None:
            return [fact(f"putting it off is not enough: something takes names from it in the phase {where}")]
        if process.run.outcome != "ok" and process.run.variant == root:
            return [fact(f"putting it off was tried and broke the component: {process.run.message}")]
    return []
