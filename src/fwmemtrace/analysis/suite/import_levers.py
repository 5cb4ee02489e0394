"""Levers for imports that a component does not use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...records import SuiteChange
from ...results.suite import SuiteFact, SuiteLever
from .evidence import ComponentEvidence, fact, lever_if_worthwhile, used_modules
from .figures import retained
from .reading import SuiteProcess
from .spreads import saving
from .unused import UnusedImport, unused_imports, with_suite_file

_HINDRANCES = ("loaded anyway", "deferring failed")
SERVICE = "the service"  # in place of a component's name, if a lever is about all of them


def import_levers(one: ComponentEvidence) -> Iterator[SuiteLever]:
    """Yields the unused imports of one component; none if its use was not watched to the end."""
    truth, used = one.of("resident"), used_modules(one.of("use"))
    report = truth[-1].report if truth else None
    if report is None or report.imports is None or used is None:
        return
    anywhere = {module for modules in one.used_by_others.values() for module in modules}
    used = with_suite_file(report.imports, used, anywhere, one.spec)
    candidates = {unused.root: unused for unused in unused_imports(report.imports, used)}
    parts = {unused.root: unused for unused in unused_imports(report.imports, used, whole=False)}
    for process in one.of("deferred"):
        root = process.run.variant
        if root in parts and _stayed_deferred(process, root):
            candidates.setdefault(root, parts[root])
    for unused in candidates.values():
        yield from _unused_import(one, unused)


def service_import_levers(levers: Sequence[SuiteLever], evidence: Sequence[ComponentEvidence]) -> list[SuiteLever]:
    """Returns the imports that several components make and no component uses, as levers of the whole service."""
    service = retained(next((one.together for one in evidence), ()))
    by_name = {one.component.name: one for one in evidence}
    by_module: dict[str, list[SuiteLever]] = {}
    for row in levers:
        if row.action == "remove import":
            by_module.setdefault(row.subject, []).append(row)
    found = []
    for module, rows in by_module.items():
        importers = {name for row in rows for name in _importers(by_name[row.component], module)}
        if service is None or len(rows) < 2 or not importers <= {row.component for row in rows}:
            continue
        # In one process the module is loaded once: without it, the service saves the largest of the parts.
        largest = max(rows, key=lambda row: row.saves_high_bytes)
        low, high = max(row.saves_low_bytes for row in rows), largest.saves_high_bytes
        found.append(
            SuiteLever(
                component=SERVICE,
                action="remove import",
                subject=module,
                lever="",
                kind="import",
                now_bytes=service.median_bytes,
                saves_low_bytes=low,
                saves_high_bytes=high,
                after_bytes=service.median_bytes - (low + high) // 2,
                basis="computed",
                phase=largest.phase,
                evidence=[fact("held alone", row.saves_high_bytes, names=[row.component]) for row in rows],
                in_service_bytes=(low + high) // 2,
                applicable=all(row.applicable for row in rows),
            )
        )
    return found


def _unused_import(one: ComponentEvidence, unused: UnusedImport) -> Iterator[SuiteLever]:
    users = [name for name, modules in one.used_by_others.items() if _uses(modules, unused.root)]
    importers = _importers(one, unused.root)
    facts = _about(one, unused)
    if users:
        facts.append(fact("used elsewhere", names=users))
    elif importers:
        facts.append(fact("imported elsewhere", names=importers))
    measured = [process for process in one.of("deferred", unused.root) if _stayed_deferred(process, unused.root)]
    before, after = one.component.held, retained(measured)
    if before is not None and after is not None:
        low, high = saving(before, after)
        if low <= one.noise:
            return
        facts.append(fact("deferred", counts=[len(measured)]))
    elif _had_no_effect(one, unused.root):
        return
    else:
        low = high = unused.bytes
        facts = [*_why_not_deferred(one, unused.root), *facts]  # what matters most comes first
    in_service, in_service_peak = one.in_service(SuiteChange("defer import", "", unused.root))
    yield from lever_if_worthwhile(
        one,
        "remove import",
        unused.root,
        low=low,
        high=high,
        basis="computed" if after is None else "measured",
        phase=unused.phase,
        evidence=facts,
        after=None if after is None else after.median_bytes,
        in_service=in_service if in_service is not None else 0 if users or importers else None,
        in_service_peak=in_service_peak,
        applicable=after is not None or not any(one.kind in _HINDRANCES for one in facts),
    )


def _about(one: ComponentEvidence, unused: UnusedImport) -> list[SuiteFact]:
    requests = max((process.own.use.requests for process in one.of("use") if process.own.use is not None), default=0)
    facts = [fact("unused import", unused.bytes, names=[unused.root], counts=[requests, unused.modules])]
    if unused.chain:
        facts.append(fact("imported by", names=unused.chain))
    if unused.with_it:
        facts.append(fact("brings with it", names=unused.with_it))
    return facts


def _importers(one: ComponentEvidence, root: str) -> list[str]:
    package = root.partition(".")[0]
    return [name for name, packages in one.imported_by_others.items() if package in packages]


def _uses(modules: frozenset[str], root: str) -> bool:
    return any(module == root or module.startswith(root + ".") for module in modules)


def _stayed_deferred(process: SuiteProcess, root: str) -> bool:
    deferred = process.own.deferred
    return deferred is not None and root in deferred.put_off and root not in deferred.loaded


def _had_no_effect(one: ComponentEvidence, root: str) -> bool:
    """Tells whether an import stayed where it was though it was to be deferred, as one that code in C makes.

    The program's own statements are tried by moving them.
    """
    tried = [process.own.deferred for process in one.of("deferred") if process.own.deferred is not None]
    return any(root in one.asked for one in tried) and not any(root in {*one.put_off, *one.loaded} for one in tried)


def _why_not_deferred(one: ComponentEvidence, root: str) -> list[SuiteFact]:
    """Returns why deferring the import saved nothing, if it was tried."""
    for process in one.processes:
        if process.run.purpose != "deferred" or process.own.deferred is None:
            continue
        phase = process.own.deferred.loaded.get(root)
        if process.run.outcome == "ok" and phase is not None:
            return [fact("loaded anyway", names=[phase])]
        if process.run.outcome != "ok" and process.run.variant == root:
            return [fact("deferring failed", names=[process.run.message])]
    return []
