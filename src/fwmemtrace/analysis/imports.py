"""What importing cost: by module, by package, by phase, and through which modules the expensive ones came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from .. import results
from ..paths import PhasePath, nearest, write
from ..records import ModuleImport, PhaseBegin, PhaseEnd, Record


@dataclass(slots=True)
class _Module:
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
        self.error = record.error  # of the latest: what failed once may have worked later


@dataclass(slots=True)
class _Phase:
    modules: int = 0
    imported_bytes: int = 0
    delta_bytes: int = 0
    begun: dict[int, int] = field(default_factory=dict)  # RSS where each open run began


class ImportFold:
    """Takes the records of one process, each with the path of the phase that it belongs to."""

    takes: ClassVar[tuple[type[Record], ...]] = (
        ModuleImport,
        PhaseBegin,
        PhaseEnd,
    )

    def __init__(self) -> None:
        self._modules: dict[str, _Module] = {}
        self._phases: dict[PhasePath, _Phase] = {}
        self.any = False

    def add(self, record: Record, path: PhasePath) -> None:
        """Take in one record; those of other kinds are passed over."""
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

    def imports(self) -> list[results.Import]:
        """A row a module, the most expensive first, by its own bytes."""
        rows = [
            results.Import(
                module=name,
                parent=module.first.parent,
                own_bytes=module.own_bytes,
                cumulative_bytes=module.cumulative_bytes,
                wall_ns=module.cumulative_ns,
                own_ns=module.own_ns,
                phase=write(module.phase),
                chain=self._chain(module),
                asked_by=self._root(module).asked_by,
                file=module.first.file,
                error=module.error,
                loads=module.loads,
            )
            for name, module in self._modules.items()
        ]
        return sorted(rows, key=lambda row: -row.own_bytes)

    def packages(self) -> list[results.ImportPackage]:
        """A row a top-level package, the most expensive first."""
        grouped: dict[str, list[_Module]] = {}
        for name, module in self._modules.items():
            grouped.setdefault(name.partition(".")[0], []).append(module)
        rows = []
        for package, modules in grouped.items():
            first = min(modules, key=lambda module: module.first.time_ns)
            rows.append(
                results.ImportPackage(
                    package=package,
                    own_bytes=sum(module.own_bytes for module in modules),
                    own_ns=sum(module.own_ns for module in modules),
                    modules=len(modules),
                    phase=write(first.phase),
                    chain=self._chain(first),
                    asked_by=self._root(first).asked_by,
                )
            )
        return sorted(rows, key=lambda row: -row.own_bytes)

    def phases(self) -> list[results.ImportPhase]:
        """A row a phase in which something was imported; what was imported in none is not in them."""
        return [
            results.ImportPhase(
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
        seen = {module.first.module}
        while module.first.parent is not None and module.first.parent not in seen:
            seen.add(module.first.parent)
            found = self._modules.get(module.first.parent)
            if found is None:  # it was still being imported when the records stop
                return
            yield found
            module = found

    def _chain(self, module: _Module) -> list[str]:
        return [ancestor.first.module for ancestor in self._ancestors(module)][::-1]

    def _root(self, module: _Module) -> ModuleImport:
        first = module.first
        for ancestor in self._ancestors(module):
            first = ancestor.first
        return first
