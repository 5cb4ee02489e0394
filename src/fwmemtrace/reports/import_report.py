"""What imports cost, as text: the tree, then the packages and how each was pulled in, then what is mapped."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .. import results
from ..analysis.import_tree import Node, lines, squeeze, tree
from ..analysis.ledger import categories
from ..results import ImportCost
from ..units import format_bytes, format_count, format_duration
from .base import Options

_EXTENSION = (".so", ".pyd")


def render(cost: ImportCost, options: Options, depth: int | None = None) -> str:
    """The whole of it, ending with a line break.

    Args:
        cost: what was measured.
        options: width, colour, and how many modules the tree shows.
        depth: levels of the tree, None for as many as fit in.
    """
    console = Console(
        file=io.StringIO(),
        width=options.width,
        force_terminal=options.colour,
        no_color=not options.colour,
        highlight=False,
    )
    console.print(Text(_summary(cost)))
    console.print()
    console.print(_tree(cost, options.top, depth))
    for title, table in (
        ("what it consists of", _contents(cost)),
        ("by package: RSS and time of its own modules, how many, and through which it was pulled in", _packages(cost)),
        ("mapped files and libraries: resident, and how much of that a copy is for each process", _libraries(cost)),
        ("so many processes that import the same", _workers(cost.workers)),
    ):
        if table is not None:
            console.print()
            console.print(Text(title, style="bold"))
            console.print(Padding(table, (0, 0, 0, 2)))
    if cost.notes:
        console.print()
    for note in cost.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _summary(cost: ImportCost) -> str:
    names = " and ".join(cost.modules)
    first = (
        f"Importing {names} adds {format_bytes(cost.rss_delta_bytes)} to the {format_bytes(cost.before_bytes)} of an "
        f"interpreter, in {format_duration(cost.wall_ns)} and {format_count(len(cost.imports))} modules."
    )
    if not cost.rss_delta_bytes:
        return first
    share = cost.unaccounted_bytes / cost.rss_delta_bytes
    outside = format_bytes(cost.unaccounted_bytes, signed=True)
    return f"{first} The modules account for all but {outside} ({share:.1%}) of it."


def _tree(cost: ImportCost, top: int, depth: int | None) -> Table:
    table = _plain("own", "with its imports", "own time", "with its imports", header=True)
    for line in lines([squeeze(root) for root in tree(cost.imports)], top, depth):
        node = line.node
        if node is None:
            rest = f"{format_count(line.hidden)} more module{'s' if line.hidden > 1 else ''}"
            table.add_row(
                format_bytes(line.hidden_bytes),
                "",
                format_duration(line.hidden_ns),
                "",
                _unfolded((line.guide, "dim"), (rest, "italic")),
            )
            continue
        table.add_row(
            format_bytes(node.own_bytes),
            format_bytes(node.whole.cumulative_bytes),
            format_duration(node.own_ns),
            format_duration(node.whole.wall_ns),
            _unfolded((line.guide, "dim"), (_name(node), ""), (_remark(node.row), "dim")),
        )
    return table


def _unfolded(*parts: tuple[str, str]) -> Text:
    """A line of the tree, which folded would be no tree any more."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _name(node: Node) -> str:
    """The module, behind the first of those that it stands for."""
    between = [""] if len(node.through) > 1 else []
    return " > ".join([*(row.module for row in node.through[:1]), *("…" for _ in between), node.row.module])


def _remark(row: results.Import) -> str:
    if row.error is not None:
        return f"  failed: {row.error}"
    if row.file is not None and row.file.endswith(_EXTENSION):
        return "  native"
    return f"  loaded {row.loads} times" if row.loads > 1 else ""


def _packages(cost: ImportCost) -> Table | None:
    shown = [package for package in cost.packages if package.own_bytes >= max(1, cost.rss_delta_bytes // 200)]
    if not shown:
        return None
    table = _plain("", "", "")
    for package in shown:
        table.add_row(
            format_bytes(package.own_bytes),
            format_duration(package.own_ns),
            format_count(package.modules),
            Text(" > ".join([*_by_package(package.chain, package.package), package.package])),
        )
    return table


def _by_package(chain: Sequence[str], package: str) -> list[str]:
    """The chain of modules, of each package along it only the last one: where it goes on into the next package."""
    steps: list[str] = []
    for module in chain:
        name = module.partition(".")[0]
        if name == package:
            break
        if steps and steps[-1].partition(".")[0] == name:
            steps.pop()
        steps.append(module)
    return steps


def _contents(cost: ImportCost) -> Table | None:
    if not cost.ledger:
        return None
    sums = categories([item for ledger in cost.ledger for item in ledger.items])
    table = _plain("", "")
    unexplained = sum(ledger.unexplained_bytes for ledger in cost.ledger)
    for name, size in [*sums.items(), ("unexplained: anonymous memory without a name", unexplained)]:
        if size or name.startswith("unexplained"):
            share = f"{size / cost.rss_delta_bytes:.1%}" if cost.rss_delta_bytes else ""
            table.add_row(format_bytes(size, signed=True), share, name)
    return table


def _libraries(cost: ImportCost) -> Table | None:
    shown = [item for item in cost.libraries if item.bytes >= max(1, cost.rss_delta_bytes // 200)]
    if not shown:
        return None
    table = _plain("", "")
    for item in shown:
        table.add_row(format_bytes(item.bytes), format_bytes(item.anonymous_bytes), item.owner)
    return table


def _workers(rows: Sequence[results.Workers]) -> Table | None:
    if not rows:
        return None
    table = _plain("", "")
    for row in rows:
        how = f"{row.workers} workers: {format_bytes(row.once_bytes)} once and {format_bytes(row.each_bytes)} each"
        table.add_row(format_bytes(row.total_bytes), "", f"{how} (their RSS adds up to {_sum(row)})")
    return table


def _sum(row: results.Workers) -> str:
    return format_bytes(row.sum_of_rss_bytes)


def _plain(*figures: str, header: bool = False) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header, header_style="bold")
    for title in figures:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("module" if header else "", overflow="fold")
    return table
