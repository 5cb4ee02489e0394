"""What RSS and its changes consist of: tables of shares that add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from ..paths import nearest, write
from .blocks import Block, Bytes, Code, Column, Count, Inline, Percent, Prose, Section, Sentence, Table, counted
from .ledger_words import UNEXPLAINED, ledger_words, private_words, spanned_words, unread_words

_MIN_SHARE = 0.02  # of the process's RSS: a smaller change is not worth a table


def ledger_sections(
    report: results.TraceReport, process: results.Process, phases: Sequence[results.PhaseRow], top: int
) -> Iterator[Section]:
    """Yields the composition of a process's RSS, then that of the RSS change of each phase that moved much of it.

    Args:
        report: the results.
        process: the process.
        phases: its phases.
        top: items of each table; the others are one row.
    """
    moments = {one.moment: one for one in report.composition or [] if one.pid == process.pid}
    end, largest = moments.get("end"), moments.get("largest")
    if end is not None and largest is not None and largest.rss_bytes - end.rss_bytes < _MIN_SHARE * end.rss_bytes:
        largest = None
    repeated = _repeated_inside(phases)
    ledgers = [
        one
        for one in report.ledger or []
        if one.pid == process.pid
        and one.path not in repeated
        and max(abs(one.rss_delta_bytes), _copied(one)) >= _MIN_SHARE * process.peak_bytes
    ]
    tables = [_composition(one, top) for one in (largest, end) if one is not None]
    if not tables and not ledgers:
        return
    key = f"ledger-{process.pid}"
    yield Section(key, "Ledger", list(tables))
    for number, one in enumerate(ledgers, 1):
        blocks: list[Block] = []
        if abs(one.rss_delta_bytes) >= _MIN_SHARE * process.peak_bytes:
            blocks += _change(one, top)
        if _copied(one) >= _MIN_SHARE * process.peak_bytes:
            blocks += _became_private(one, top)
        title = Code(one.path) if one.path else "Outside any phase"
        yield Section(f"{key}-{number}", title, blocks, level=3)


def _change(one: results.Ledger, top: int) -> list[Block]:
    columns = [Column("RSS change", "right"), Column("share", "right"), Column("memory")]
    unexplained = one.unexplained_bytes - one.unread_bytes
    rows = shares(one.items, unexplained, one.rss_delta_bytes, top, signed=True)
    not_read = one.calls - one.read_calls - one.spanned_calls
    if not_read:
        share = Percent(one.unread_bytes / one.rss_delta_bytes, 1) if one.rss_delta_bytes else None
        rows.append([Bytes(one.unread_bytes, True), share, unread_words(not_read, one.calls)])
    blocks: list[Block] = [Table("items", columns, rows)]
    if one.spanned_calls:
        blocks.append(Prose("spanned", [spanned_words(one.spanned_calls, one.calls)]))
    return blocks


def _became_private(one: results.Ledger, top: int) -> list[Block]:
    columns = [Column("private", "right"), Column("share", "right"), Column("memory")]
    items = [
        results.LedgerItem(category=item.category, owner=item.owner, bytes=item.private_bytes)
        for item in one.items
        if item.private_bytes
    ]
    unexplained = one.private_bytes - sum(item.bytes for item in items)
    rows = shares(items, unexplained, one.private_bytes, top, signed=True)
    return [Prose("private", [private_words(Bytes(one.private_bytes))]), Table("became-private", columns, rows)]


def _copied(one: results.Ledger) -> int:
    """What became private, in bytes, beyond what RSS grew by."""
    return one.private_bytes - max(0, one.rss_delta_bytes)


_MOMENTS = {"begin": "the beginning", "largest": "the largest reading", "end": "the end"}


def _composition(one: results.Composition, top: int) -> Table:
    where: list[Inline] = [", in ", Code(one.path)] if one.path else []
    if one.threads > 1:
        where += [", with ", Count(one.threads), " threads"]
    return Table(
        one.moment,
        [Column("RSS", "right"), Column("share", "right"), Column("memory")],
        shares(one.items, one.unexplained_bytes, one.rss_bytes, top, signed=False),
        ["RSS at ", _MOMENTS[one.moment], ": ", Bytes(one.rss_bytes), *where],
    )


def _repeated_inside(phases: Sequence[results.PhaseRow]) -> set[str]:
    """Paths whose RSS change is nearly all that of one phase inside, whose ledger says the same closer to the cause."""
    changes = {phase.names: phase.resident.delta_bytes for phase in phases if phase.path and phase.resident is not None}
    return {
        write(around)
        for path, change in changes.items()
        if (around := nearest(path, changes)) and change and 0.95 <= change / (changes[around] or change * 2) <= 1.05
    }


def shares(
    items: Sequence[results.LedgerItem], unexplained: int, whole: int, top: int, *, signed: bool
) -> list[list[Sentence]]:
    """Returns rows that add up: the largest items, the sum of the others, and what is unexplained."""
    ordered = sorted(items, key=lambda item: abs(item.bytes), reverse=True)
    rows: list[tuple[int, Sentence]] = [(item.bytes, ledger_words(item.category, item.owner)) for item in ordered[:top]]
    others = sum(item.bytes for item in ordered[top:])
    if others:
        rows.append((others, counted(len(ordered) - top, "smaller item")))
    rows.append((unexplained, UNEXPLAINED))
    return [[Bytes(size, signed), Percent(size / whole, 1) if whole else None, words] for size, words in rows]


def workers_blocks(rows: Sequence[results.Workers]) -> list[Block]:
    """Returns the estimated totals for several processes like this one."""
    if not rows:
        return []
    columns = [
        Column("workers"),
        *(Column(title, "right") for title in ("total", "shared", "per worker", "sum of RSS")),
    ]
    cells: list[list[Sentence]] = [
        [
            Count(row.workers),
            Bytes(row.total_bytes),
            Bytes(row.once_bytes),
            Bytes(row.each_bytes),
            Bytes(row.sum_of_rss_bytes),
        ]
        for row in rows
    ]
    note = "Estimated total for N workers: file-backed pages are shared, anonymous memory is not."
    measured = rows[0].measured_workers
    if measured:
        several = "the forked worker" if measured == 1 else f"the {measured} forked workers"
        note = (
            "Estimated total for N forked workers and their parent: each worker takes the private memory of "
            f"{several} in this trace, and shares the rest with its parent."
        )
    return [Prose("basis", [note]), Table("workers", columns, cells)]


def processes_sections(report: results.TraceReport) -> Iterator[Section]:
    """Yields the memory of each process of several: what is private, and what it shares."""
    processes = report.trace.processes
    if len(processes) < 2:
        return
    ends = {one.pid: one for one in report.composition or [] if one.moment == "end"}
    rows: list[list[Sentence]] = []
    for process in processes:
        end = ends.get(process.pid)
        if end is None:
            continue
        sizes = (end.rss_bytes, end.private_bytes, end.rss_bytes - end.private_bytes, end.pss_bytes)
        rows.append([str(process.pid), *([Bytes(size)] for size in (process.peak_bytes, *sizes))])
    if rows:
        titles = ("peak RSS", "RSS at the end", "private", "shared", "PSS")
        columns = [Column("pid"), *(Column(title, "right") for title in titles)]
        note = (
            "Private memory is mapped by no other process; PSS divides shared memory among the processes that map it."
        )
        yield Section("processes", "Processes", [Prose("basis", [note]), Table("processes", columns, rows)])
