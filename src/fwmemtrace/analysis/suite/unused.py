"""Imports that a component does not use: which of them belong together, and what they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ...packages import is_standard
from ...results import Import
from .stages import in_a_stage

_TRACERS = ("fwmemtrace", "msgspec", "memray", "psutil", "pympler", "objgraph", "tracemalloc")
# No program runs without these, used or not.
_CORE = ("builtins", "sys", "encodings", "importlib", "site", "os", "codecs", "io", "abc", "__main__")
_LEFT_OUT = frozenset({*_TRACERS, *_CORE})


@dataclass(frozen=True, slots=True)
class UnusedImport:
    """A module and its submodules, of which no function was called and no attribute read.

    Attributes:
        root: its dotted name.
        bytes: RSS added by its modules, and by the other unused ones that it imported first.
        modules: the number of these modules.
        with_it: the other unused modules among them.
        chain: the modules that imported it first, the outermost first.
        phase: the phase in which it was imported.
    """

    root: str
    bytes: int
    modules: int
    with_it: tuple[str, ...]
    chain: tuple[str, ...]
    phase: str = ""


def unused_imports(imports: Sequence[Import], used: Collection[str], *, whole: bool = True) -> list[UnusedImport]:
    """Returns the unused imports, the largest first; their bytes do not overlap.

    Args:
        imports: the imports of one process.
        used: the modules of which a function was called or an attribute read.
        whole: whether to return top-level packages only. The parts of a package may need each other at import, or from
            C, which is not watched: that one part is unused remains a guess until deferring it was tried.
    """
    # Imports outside the stages are the tracer's own; failed ones left nothing.
    imports = [row for row in imports if in_a_stage(row.phase) and row.error is None]
    parent_of = {row.module: row.parent for row in imports}
    holding = {prefix for module in used for prefix in _prefixes(module)}
    members: dict[str, list[Import]] = {}
    for row in imports:
        prefixes = _prefixes(row.module)[:1] if whole else _prefixes(row.module)
        root = next((prefix for prefix in prefixes if prefix not in holding), None)
        if root is not None and row.module.partition(".")[0] not in _LEFT_OUT:
            members.setdefault(root, []).append(row)
    for rows in members.values():
        rows.sort(key=lambda row: len(row.chain))  # the one that imported the others comes first
    root_of = {row.module: root for root, rows in members.items() for row in rows}
    lead = {root: _lead(root, rows, parent_of, root_of) for root, rows in members.items()}
    grouped: dict[str, list[str]] = {}
    for root in members:
        grouped.setdefault(_top(root, lead), []).append(root)
    unused = [
        UnusedImport(
            root=top,
            bytes=sum(row.own_bytes for root in roots for row in members[root]),
            modules=sum(len(members[root]) for root in roots),
            with_it=tuple(sorted(root for root in roots if root != top)),
            chain=tuple(members[top][0].chain) or _chain(members[top][0].module, parent_of),
            phase=members[top][0].phase,
        )
        for top, roots in grouped.items()
    ]
    return sorted((one for one in unused if not _is_python_s_own(one)), key=lambda one: -one.bytes)


def with_suite_file(
    imports: Sequence[Import], used: frozenset[str], anywhere: Iterable[str], spec: str
) -> frozenset[str]:
    """Returns what a component used, and what other components used of what the suite file itself imports at its top.

    Every process imports the suite file: that it imports something for another component is no fault of this one.

    Args:
        imports: the imports of a process of the component.
        used: the modules that it used.
        anywhere: the modules that any component used.
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
    """
    of_file = {
        row.module for row in imports if row.nearest_own is not None and is_suite_file(row.nearest_own.file, spec)
    }
    return used | (of_file & frozenset(anywhere))


def is_suite_file(file: str, spec: str) -> bool:
    """Tells whether a source file is, by its name, the file of a suite given as `FILE.py|MODULE[:NAME]`."""
    source = spec.partition(":")[0]
    name = source.rpartition("/")[2] if source.endswith(".py") else source.rpartition(".")[2] + ".py"
    return file.rpartition("/")[2] == name


def _is_python_s_own(one: UnusedImport) -> bool:
    """Tells whether the standard library imports a part of itself, which users cannot change."""
    return bool(one.chain) and is_standard(one.root) and is_standard(one.chain[-1])


def _prefixes(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: number + 1]) for number in range(len(parts))]


def _lead(root: str, rows: Sequence[Import], parents: dict[str, str | None], root_of: dict[str, str]) -> str | None:
    """Returns the unused root that imported this one first; None if a module in use did."""
    importer = parents.get(rows[0].module)
    seen = set()  # a module imported anew may come from one that it imported itself
    while importer is not None and root_of.get(importer) == root and importer not in seen:
        seen.add(importer)
        importer = parents.get(importer)
    return None if importer is None else root_of.get(importer)


def _top(root: str, lead: dict[str, str | None]) -> str:
    seen = {root}
    while (above := lead.get(root)) is not None and above not in seen:
        seen.add(above)
        root = above
    return root


def _chain(module: str, parents: dict[str, str | None]) -> tuple[str, ...]:
    chain: list[str] = []
    above = parents.get(module)
    while above is not None and above not in chain:
        chain.append(above)
        above = parents.get(above)
    return tuple(reversed(chain))
