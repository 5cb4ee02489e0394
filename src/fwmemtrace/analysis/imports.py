"""Folds the cost of imports by module, by package and by phase."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from .. import results
from ..paths import PhasePath, nearest, write
from ..records import ModuleImport, PhaseBegin, PhaseEnd, Record


@dataclass(slots=True)
class _Module:
    """All imports of one module.

    Attributes:
        first: the first import, or the first that succeeded: it has the importing module.
        error: the exception's type if the latest import failed.
    """

    first: ModuleImport
    phase: PhasePath
    own_bytes: int = 0
    cumulative_bytes: int = 0
    own_ns: int = 0
    cumulative_ns: int = 0
    loads: int = 0
    error: str | None = None

    def add(self, record: ModuleImport) -> None:
        self.own_bytes += record.own_bytes
        self.cumulative_bytes += record.cumulative_bytes
        self.own_ns += record.own_ns
        self.cumulative_ns += record.cumulative_ns
        self.loads += record.error is None
        self.error = record.error


_MOST_ANCESTORS = 64  # of a module: more than any program has, in case the trace is not ours


@dataclass(slots=True)
class _Phase:
    """The imports and the RSS change of the phases of one path."""

    modules: int = 0
    imported_bytes: int = 0
    delta_bytes: int = 0
    begun: dict[int, int] = field(default_factory=dict)  # RSS at the start of each open call, by span


class ImportFold:
    """Adds up the cost of each module, and of the imports in the phases of each path, of one process.

    Attributes:
        any: whether any module was imported.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (ModuleImport, PhaseBegin, PhaseEnd)

    def __init__(self) -> None:
        self._modules: dict[str, _Module] = {}
        self._phases: dict[PhasePath, _Phase] = {}
        self.any = False

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, ModuleImport):
            self._import(record, path)
        elif isinstance(record, PhaseBegin):
            self._phase(path).begun[record.span] = record.rss_bytes
        elif isinstance(record, PhaseEnd):
            phase = self._phase(path)
            phase.delta_bytes += record.rss_bytes - phase.begun.pop(record.span, record.rss_bytes)

    def _phase(self, path: PhasePath) -> _Phase:
        return self._phases.setdefault(path, _Phase())

    def _import(self, record: ModuleImport, path: PhasePath) -> None:
        self.any = True
        module = self._modules.get(record.module)
        if module is None:
            module = self._modules[record.module] = _Module(record, path)
        elif module.error is not None and record.error is None:
            module.first, module.phase = record, path
        module.add(record)
        while True:
            phase = self._phase(path)
            phase.modules += 1
            phase.imported_bytes += record.own_bytes
            if not path:
                return
            path = nearest(path, self._phases)

    def imports(self, pid: int = 0) -> list[results.Import]:
        """Return a row for each module, the largest by own bytes first."""
        rows = [
            results.Import(
                pid=pid,
                module=name,
                parent=module.first.parent,
                own_bytes=module.own_bytes,
                cumulative_bytes=module.cumulative_bytes,
                wall_ns=module.cumulative_ns,
                own_ns=module.own_ns,
                phase=write(module.phase),
                chain=self._chain(module),
                asked_by=self._outermost(module).asked_by,
                file=module.first.file,
                error=module.error,
                loads=module.loads,
                nearest_own=self._nearest_own(module),
            )
            for name, module in self._modules.items()
        ]
        return sorted(rows, key=lambda row: -row.own_bytes)

    def packages(self, pid: int = 0) -> list[results.ImportPackage]:
        """Return a row for each top-level package, the largest by own bytes first."""
        grouped: dict[str, list[_Module]] = {}
        for name, module in self._modules.items():
            grouped.setdefault(name.partition(".")[0], []).append(module)
        rows = []
        for package, modules in grouped.items():
            first = min(modules, key=lambda module: module.first.time_ns)
            rows.append(
                results.ImportPackage(
                    pid=pid,
                    package=package,
                    own_bytes=sum(module.own_bytes for module in modules),
                    own_ns=sum(module.own_ns for module in modules),
                    modules=len(modules),
                    phase=write(first.phase),
                    chain=self._chain(first),
                    asked_by=self._outermost(first).asked_by,
                    nearest_own=self._nearest_own(first),
                )
            )
        return sorted(rows, key=lambda row: -row.own_bytes)

    def phases(self, pid: int = 0) -> list[results.ImportPhase]:
        """Return a row for each phase that imported something."""
        return [
            results.ImportPhase(
                pid=pid,
                path=write(path),
                modules=phase.modules,
                imported_bytes=phase.imported_bytes,
                rss_delta_bytes=phase.delta_bytes,
                unaccounted_bytes=phase.delta_bytes - phase.imported_bytes,
            )
            for path, phase in self._phases.items()
            if phase.modules and path
        ]

    def _ancestors(self, module: _Module) -> Iterable[_Module]:
        """Yield the module that imported this one, then the module that imported that, and so on."""
        seen = {module.first.module}
        while module.first.parent is not None and module.first.parent not in seen and len(seen) < _MOST_ANCESTORS:
            seen.add(module.first.parent)
            parent = self._modules.get(module.first.parent)
            if parent is None:  # its import had not ended when the records stop
                return
            yield parent
            module = parent

    def _chain(self, module: _Module) -> list[str]:
        return [ancestor.first.module for ancestor in self._ancestors(module)][::-1]

    def _outermost(self, module: _Module) -> ModuleImport:
        first = module.first
        for ancestor in self._ancestors(module):
            first = ancestor.first
        return first

    def _nearest_own(self, module: _Module) -> results.OwnImport | None:
        for imported in (module, *self._ancestors(module)):
            first = imported.first
            if first.own_file:
                return results.OwnImport(file=first.own_file, line=first.own_line, module=first.module)
        return None
