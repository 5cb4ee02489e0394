"""Imports that nothing was called of: which of them hang together, and what they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...results import Import
from .stages import in_a_stage

_TRACERS = ("fwmemtrace", "msgspec", "memray", "psutil", "pympler", "objgraph", "tracemalloc")
# Without these no program runs: that nothing was called of them says nothing.
_CORE = ("builtins", "sys", "encodings", "importlib", "site", "os", "codecs", "io", "abc", "__main__")


@dataclass(frozen=True, slots=True)
class UnusedImport:
    """A module with all that lies below it, of which no function was called and no attribute read.

    Attributes:
        root: its dotted name.
        bytes: RSS that came with its modules, and with those other unused ones that it first imported.
        modules: how many they are.
        with_it: the other unused modules among them.
        chain: who first imported it, the outermost first.
        phase: in which.
    """

    root: str
    bytes: int
    modules: int
    with_it: tuple[str, ...]
    chain: tuple[str, ...]
    phase: str = ""


def unused_imports(
    imports: Sequence[Import], used: Collection[str], *, own: Collection[str] = (), whole: bool = True
) -> list[UnusedImport]:
    """Find them, the biggest first; their bytes do not overlap.

    Args:
        imports: what was imported in one process.
        used: names of the modules of which a function was called or an attribute read.
        own: names of packages that are the component's own, which are in use by being there.
        whole: whether to name top-level packages only. What the parts of a package in use want of each other, at import
            or from C, was not watched: that one of them is of no use is a guess until it has been tried.
    """
    # What was imported in no stage is the tracer's own, and what failed to import is not there.
    imports = [row for row in imports if in_a_stage(row.phase) and row.error is None]
    parent_of = {row.module: row.parent for row in imports}
    holding = {prefix for module in used for prefix in _prefixes(module)}
    kept_out = {*_TRACERS, *_CORE, *own}
    members: dict[str, list[Import]] = {}
    for row in imports:
        prefixes = _prefixes(row.module)[:1] if whole else _prefixes(row.module)
        root = next((prefix for prefix in prefixes if prefix not in holding), None)
        if root is not None and row.module.partition(".")[0] not in kept_out:
            members.setdefault(root, []).append(row)
    for rows in members.values():
        rows.sort(key=lambda row: len(row.chain))  # the one that brought in the rest comes first
    root_of = {row.module: root for root, rows in members.items() for row in rows}
    lead = {root: _lead(root, rows, parent_of, root_of) for root, rows in members.items()}
    found: dict[str, list[str]] = {}
    for root in members:
        found.setdefault(_top(root, lead), []).append(root)
    made = [
        UnusedImport(
            root=top,
            bytes=sum(row.own_bytes for root in roots for row in members[root]),
            modules=sum(len(members[root]) for root in roots),
            with_it=tuple(sorted(root for root in roots if root != top)),
            chain=tuple(members[top][0].chain) or _chain(members[top][0].module, parent_of),
            phase=members[top][0].phase,
        )
        for top, roots in found.items()
    ]
    return sorted(made, key=lambda unused: -unused.bytes)


def _prefixes(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: number + 1]) for number in range(len(parts))]


def _lead(root: str, rows: Sequence[Import], parents: dict[str, str | None], root_of: dict[str, str]) -> str | None:
    """The other unused root that imported this one first; None where something in use did."""
    importer = parents.get(rows[0].module)
    seen = set()  # a module that was imported anew may come from one that it imported itself
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
