"""What imports cost: the tree of modules, then the packages and their import chains, then what the memory is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from ..analysis.import_tree import Node, lines, squeeze, tree
from ..analysis.ledger import categories
from ..results import ImportCost
from .blocks import (
    Block,
    Bytes,
    Code,
    Column,
    Count,
    Document,
    Duration,
    Inline,
    Listing,
    Percent,
    Prose,
    Section,
    Sentence,
    Table,
    counted,
    enumerate_words,
)
from .ledger_sections import workers_blocks
from .ledger_words import UNEXPLAINED, category_words
from .tree import guide

_EXTENSION = (".so", ".pyd")
_MIN_SHARE = 0.005  # of the whole cost: what is smaller is not worth a row


def import_document(cost: ImportCost, top: int, depth: int | None = None) -> Document:
    """Returns the report of the command `imports`.

    Args:
        cost: what was measured.
        top: modules in the tree.
        depth: levels of the tree, None for all.
    """
    sections = [
        Section("summary", "", [Prose("cost", list(_summary(cost)))]),
        Section("modules", "Modules", [_tree(cost, top, depth)]),
        Section("ledger", "Ledger", list(_ledger(cost))),
        Section("packages", "Packages", list(_packages(cost))),
        Section("files", "Mapped files", list(_files(cost))),
        Section("workers", "Workers", workers_blocks(cost.workers)),
    ]
    if cost.notes:
        sections.append(Section("notes", "Notes", [Listing("notes", cost.notes, ordered=False)]))
    return Document("Import cost", [section for section in sections if section.blocks])


def _summary(cost: ImportCost) -> Iterator[Sentence]:
    yield [
        "Importing ",
        *enumerate_words([[Code(module)] for module in cost.modules]),
        " adds ",
        Bytes(cost.rss_delta_bytes),
        " to the ",
        Bytes(cost.before_bytes),
        " of an interpreter, in ",
        Duration(cost.wall_ns),
        " and ",
        *counted(len(cost.imports), "module"),
        ".",
    ]
    if cost.rss_delta_bytes:
        share = 1 - cost.unaccounted_bytes / cost.rss_delta_bytes
        yield ["The modules below account for ", Percent(share, 0 if round(share, 3) == 1 else 1), "."]


def _tree(cost: ImportCost, top: int, depth: int | None) -> Table:
    heads = ("own", "cumulative", "own time", "cumulative time")
    rows: list[list[Sentence]] = []
    for line in lines([squeeze(root) for root in tree(cost.imports)], top, depth):
        node = line.node
        if node is None:
            more = [guide(line.ends), *counted(line.hidden, "more module")]
            rows.append([Bytes(line.hidden_bytes), None, Duration(line.hidden_ns), None, more])
            continue
        rows.append(
            [
                Bytes(node.own_bytes),
                Bytes(node.whole.cumulative_bytes),
                Duration(node.own_ns),
                Duration(node.whole.wall_ns),
                [guide(line.ends), Code(_name(node)), *_remark(node.row)],
            ]
        )
    return Table("modules", [*(Column(head, "right") for head in heads), Column("module")], rows)


def _name(node: Node) -> str:
    """The module, after the first of those that share its line."""
    between = ["…"] if len(node.through) > 1 else []
    return " > ".join([*(row.module for row in node.through[:1]), *between, node.row.module])


def _remark(row: results.Import) -> list[Inline]:
    if row.error is not None:
        return ["  failed: ", Code(row.error)]
    if row.file is not None and row.file.endswith(_EXTENSION):
        return ["  native"]
    return [f"  loaded {row.loads} times"] if row.loads > 1 else []


def _ledger(cost: ImportCost) -> Iterator[Block]:
    if not cost.ledger:
        return
    sums = categories([item for ledger in cost.ledger for item in ledger.items])
    unexplained = sum(ledger.unexplained_bytes for ledger in cost.ledger)
    named = [(category_words(category), size) for category, size in sums.items() if size]
    rows: list[list[Sentence]] = [
        [Bytes(size, signed=True), Percent(size / cost.rss_delta_bytes, 1) if cost.rss_delta_bytes else None, words]
        for words, size in [*named, (UNEXPLAINED, unexplained)]
    ]
    yield Table("items", [Column("RSS change", "right"), Column("share", "right"), Column("memory")], rows)


def _packages(cost: ImportCost) -> Iterator[Block]:
    rows: list[list[Sentence]] = [
        [
            Bytes(package.own_bytes),
            Duration(package.own_ns),
            Count(package.modules),
            Code(" > ".join([*_by_package(package.chain, package.package), package.package])),
        ]
        for package in cost.packages
        if package.own_bytes >= _min_bytes(cost)
    ]
    if rows:
        columns = [*(Column(head, "right") for head in ("own", "own time", "modules")), Column("import chain")]
        yield Table("packages", columns, rows)


def _by_package(chain: Sequence[str], package: str) -> list[str]:
    """A chain of modules with only the last of each package: where it goes on into the next package."""
    steps: list[str] = []
    for module in chain:
        name = module.partition(".")[0]
        if name == package:
            break
        if steps and steps[-1].partition(".")[0] == name:
            steps.pop()
        steps.append(module)
    return steps


def _files(cost: ImportCost) -> Iterator[Block]:
    rows: list[list[Sentence]] = [
        [Bytes(item.bytes), Bytes(item.anonymous_bytes), Code(item.owner)]
        for item in cost.libraries
        if item.bytes >= _min_bytes(cost)
    ]
    if rows:
        yield Table(
            "files", [Column("RSS", "right"), Column("private copy", "right"), Column("package or library")], rows
        )


def _min_bytes(cost: ImportCost) -> int:
    return max(1, int(cost.rss_delta_bytes * _MIN_SHARE))
