import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import process_result
from fwmemtrace import results
from fwmemtrace.analysis.ledger import LedgerFold, categories
from fwmemtrace.analysis.rss_breakdown import break_down
from fwmemtrace.analysis.worker_forecast import like_forked, several, with_workers
from fwmemtrace.paths import OUTSIDE, read
from fwmemtrace.records import (
    AllocatorFigures,
    MappingRow,
    MappingsEdge,
    MappingsReading,
    PhaseBegin,
    PhaseEnd,
    PoolFigures,
)

MB = 10**6


def row(category, owner, rss, *, private=None, evictable=0, anonymous=None):
    file = category in ("file", "model file", "shared memory")
    return MappingRow(
        category,
        owner,
        rss,
        rss,
        rss if private is None else private,
        evictable,
        (0 if file else rss) if anonymous is None else anonymous,
    )


def reading(number, rows, *, rss=None, rows_of=0, **allocators):
    total = sum(row.rss_bytes for row in rows) if rss is None else rss
    return MappingsReading(number, 0, 0, total, rows, AllocatorFigures(**allocators), rows_of)


def run(fold, span, path, before, after, begin_rss, end_rss):
    """Add a call of a phase, its records in the order in which a session writes them."""
    fold.add(before, OUTSIDE)
    fold.add(MappingsEdge(span, "begin", before.reading), OUTSIDE)
    fold.add(PhaseBegin(span, 0, path, 1, 0, begin_rss), read(path))
    fold.add(after, OUTSIDE)
    fold.add(MappingsEdge(span, "end", after.reading), read(path))
    fold.add(PhaseEnd(span, 0, end_rss, end_rss), read(path))


def test_a_change_is_split_by_owner():
    fold = LedgerFold()
    before = reading(1, [row("malloc", "heap", 50 * MB), row("file", "torch", 10 * MB, evictable=10 * MB)])
    after = reading(
        2,
        [
            row("malloc", "heap", 60 * MB),
            row("malloc", "mapped blocks", 5 * MB),
            row("file", "torch", 30 * MB, evictable=28 * MB, anonymous=2 * MB),
            row("model file", "w.safetensors", 40 * MB, evictable=40 * MB),
            row("anonymous", "", 1 * MB),
        ],
    )
    run(fold, 1, "load", before, after, 60 * MB, 136 * MB)
    (ledger,) = fold.ledgers(pid=7)
    assert (ledger.path, ledger.pid, ledger.rss_delta_bytes, ledger.unexplained_bytes) == ("load", 7, 76 * MB, MB)
    sizes = {(item.category, item.owner): item.bytes for item in ledger.items}
    assert sizes == {
        ("model file", "w.safetensors"): 40 * MB,
        ("file", "torch"): 20 * MB,
        ("native heap", "malloc"): 10 * MB,
        ("native heap", "malloc, large blocks"): 5 * MB,
    }
    assert ledger.items[1].evictable_bytes == 18 * MB
    assert list(categories(ledger.items)) == ["model file", "file", "native heap"]


def test_free_memory_of_an_allocator_is_a_category_of_its_own():
    live = break_down(
        reading(1, [row("malloc", "heap", 50 * MB)], malloc_in_use_bytes=20 * MB, tracemalloc_bytes=5 * MB),
        [row("malloc", "heap", 50 * MB), row("python", "arenas", 8 * MB)],
    )
    assert live.items["native heap", "malloc"][0] == 15 * MB
    assert live.items["tracer", "tracemalloc"][0] == 5 * MB
    assert live.items["allocator free", "malloc"][0] == 30 * MB
    # The figures of CPython are missing: all of its arenas count as in use.
    assert live.items["python heap", "objects in arenas"][0] == 8 * MB
    assert ("allocator free", "Python's arenas") not in live.items


def test_memory_in_use_that_was_never_touched_does_not_count_as_resident():
    breakdown = break_down(
        reading(1, [], malloc_in_use_bytes=100 * MB), [row("malloc", "heap", 20 * MB), row("malloc", "heaps", 5 * MB)]
    )
    assert breakdown.items["native heap", "malloc"][0] == 25 * MB
    assert breakdown.items["allocator free", "malloc"][0] == 0


def test_what_the_tracer_moved_and_the_error_of_the_counter_are_items():
    fold = LedgerFold()
    before = reading(1, [row("malloc", "heap", 50 * MB)], rss=51 * MB)
    after = reading(2, [row("malloc", "heap", 60 * MB)], rss=63 * MB)
    run(fold, 1, "p", before, after, 52 * MB, 63 * MB)
    (ledger,) = fold.ledgers()
    assert {(item.category, item.bytes) for item in ledger.items} == {
        ("native heap", 10 * MB),
        ("tracer", -1 * MB),
        ("kernel counter", 2 * MB),
    }
    assert ledger.unexplained_bytes == 0


def test_rows_of_an_earlier_reading_are_used_and_the_difference_is_unexplained():
    fold = LedgerFold()
    before = reading(1, [row("malloc", "heap", 50 * MB)], malloc_in_use_bytes=40 * MB)
    after = reading(2, [], rss=50 * MB + 4096, rows_of=1, malloc_in_use_bytes=10 * MB)
    run(fold, 1, "free", before, after, 50 * MB, 50 * MB + 4096)
    (ledger,) = fold.ledgers()
    assert {(item.category, item.bytes) for item in ledger.items} == {
        ("native heap", -30 * MB),
        ("allocator free", 30 * MB),
    }
    assert ledger.unexplained_bytes == 4096


def test_the_change_over_calls_that_were_not_read_is_unexplained():
    fold = LedgerFold()
    before = reading(1, [row("malloc", "heap", 50 * MB)])
    run(fold, 1, "p", before, reading(2, [row("malloc", "heap", 51 * MB)]), 50 * MB, 51 * MB)
    fold.add(PhaseBegin(2, 0, "p", 1, 0, 51 * MB), ("p",))
    fold.add(PhaseEnd(2, 0, 54 * MB, 54 * MB), ("p",))
    (ledger,) = fold.ledgers()
    assert (ledger.calls, ledger.read_calls) == (2, 1)
    assert (ledger.rss_delta_bytes, ledger.unexplained_bytes, ledger.unread_bytes) == (4 * MB, 3 * MB, 3 * MB)


def unread(fold, span, path, begin_rss, end_rss):
    fold.add(PhaseBegin(span, 0, path, 1, 0, begin_rss), read(path))
    fold.add(PhaseEnd(span, 0, end_rss, end_rss), read(path))


def test_calls_between_two_readings_are_split_as_the_change_between_them():
    fold = LedgerFold()
    first = reading(1, [row("malloc", "heap", 50 * MB)])
    run(fold, 1, "p", first, reading(2, [row("malloc", "heap", 51 * MB)]), 50 * MB, 51 * MB)
    for span in range(2, 12):
        unread(fold, span, "p", (49 + span) * MB, (50 + span) * MB)
        unread(fold, span + 100, "neighbour", (50 + span) * MB, (50 + span) * MB)
    fold.add(reading(3, [row("malloc", "heap", 53 * MB), row("python", "arenas", 8 * MB)]), OUTSIDE)
    ledger, neighbour = fold.ledgers()
    assert (ledger.calls, ledger.read_calls, ledger.spanned_calls) == (11, 1, 10)
    assert (ledger.rss_delta_bytes, ledger.unexplained_bytes, ledger.unread_bytes) == (11 * MB, 0, 0)
    assert {(item.category, item.bytes) for item in ledger.items} == {("python heap", 8 * MB), ("native heap", 3 * MB)}
    assert (neighbour.spanned_calls, neighbour.items) == (0, [])


def test_calls_of_two_paths_between_two_readings_are_not_split():
    fold = LedgerFold()
    run(fold, 1, "p", reading(1, []), reading(2, []), 0, 0)
    unread(fold, 2, "p", 0, 5 * MB)
    unread(fold, 3, "q", 5 * MB, 10 * MB)
    fold.add(reading(3, [row("malloc", "heap", 10 * MB)]), OUTSIDE)
    for ledger in fold.ledgers():
        assert (ledger.spanned_calls, ledger.items) == (0, [])
        assert (ledger.unread_bytes, ledger.unexplained_bytes) == (5 * MB, 5 * MB)


def test_the_end_of_a_call_may_be_read_without_its_begin():
    fold = LedgerFold()
    run(fold, 1, "p", reading(1, []), reading(2, []), 0, 0)
    unread(fold, 2, "p", 0, 4 * MB)
    fold.add(PhaseBegin(3, 0, "p", 1, 0, 4 * MB), ("p",))
    fold.add(reading(3, [row("python", "arenas", 10 * MB)]), ("p",))
    fold.add(MappingsEdge(3, "end", 3), ("p",))
    fold.add(PhaseEnd(3, 0, 10 * MB, 10 * MB), ("p",))
    (ledger,) = fold.ledgers()
    assert (ledger.read_calls, ledger.spanned_calls, ledger.unread_bytes) == (1, 2, 0)
    assert [(item.category, item.bytes) for item in ledger.items] == [("python heap", 10 * MB)]


def test_a_call_whose_reading_is_damaged_counts_as_not_read():
    fold = LedgerFold()
    fold.add(MappingsEdge(1, "begin", 5), OUTSIDE)
    fold.add(PhaseBegin(1, 0, "p", 1, 0, 10 * MB), ("p",))
    fold.add(reading(6, [], rows_of=5), OUTSIDE)
    fold.add(MappingsEdge(1, "end", 6), ("p",))
    fold.add(PhaseEnd(1, 0, 12 * MB, 12 * MB), ("p",))
    (ledger,) = fold.ledgers()
    assert (ledger.unexplained_bytes, ledger.unread_bytes) == (2 * MB, 2 * MB)


def test_composition_and_workers():
    fold = LedgerFold()
    small = reading(1, [row("malloc", "heap", 10 * MB)])
    large = reading(
        2,
        [
            row("malloc", "heap", 60 * MB),
            row("file", "torch", 30 * MB, evictable=25 * MB, anonymous=5 * MB),
            row("shared memory", "/dev/shm/x", 8 * MB),
            row("anonymous", "", 2 * MB),
        ],
    )
    run(fold, 1, "p", small, large, 10 * MB, 100 * MB)
    run(fold, 2, "q", reading(3, [row("malloc", "heap", 20 * MB)]), small, 20 * MB, 10 * MB)
    begin, largest, end = fold.compositions()
    assert (begin.moment, begin.rss_bytes) == ("begin", 10 * MB)
    assert (largest.path, largest.rss_bytes, largest.unexplained_bytes) == ("p", 100 * MB, 2 * MB)
    assert end.rss_bytes == 10 * MB
    four = with_workers(largest, 4)
    assert (four.once_bytes, four.each_bytes) == (33 * MB, 67 * MB)
    assert (four.total_bytes, four.sum_of_rss_bytes) == ((33 + 4 * 67) * MB, 400 * MB)
    assert with_workers(largest, 1).total_bytes == largest.rss_bytes
    assert [row.workers for row in several(fold.compositions(pid=7))] == [2, 4, 8]
    assert {row.pid for row in several(fold.compositions(pid=7))} == {7}
    assert several([]) == []
    with pytest.raises(ValueError, match="0 workers"):
        with_workers(largest, 0)


def test_pages_that_were_copied_became_private_though_rss_stayed():
    fold = LedgerFold()
    before = reading(1, [row("python", "arenas", 50 * MB, private=2 * MB), row("anonymous", "", MB, private=0)])
    after = reading(2, [row("python", "arenas", 50 * MB, private=45 * MB), row("anonymous", "", MB)])
    run(fold, 1, "work", before, after, 51 * MB, 51 * MB)
    (ledger,) = fold.ledgers()
    assert (ledger.rss_delta_bytes, ledger.private_bytes) == (0, 44 * MB)
    assert [(item.category, item.bytes, item.private_bytes) for item in ledger.items] == [("python heap", 0, 43 * MB)]
    begin, _, end = fold.compositions()
    assert (begin.private_bytes, end.private_bytes, end.pss_bytes) == (2 * MB, 46 * MB, 51 * MB)


def process(pid, parent_pid, command):
    return process_result(pid=pid, parent_pid=parent_pid, command=command, probes=["mappings"])


def composition(pid, moment, rss, private):
    return results.Composition(
        pid=pid, moment=moment, path="", rss_bytes=rss, unexplained_bytes=rss, items=[], private_bytes=private
    )


def test_forked_workers_are_estimated_from_what_became_private():
    processes = [
        process(1, 0, ["server"]),
        process(2, 1, ["server"]),
        process(3, 1, ["server"]),
        process(4, 1, ["python", "-c", "from multiprocessing.spawn import spawn_main"]),
        process(5, 9, ["server"]),
    ]
    compositions = [
        composition(1, "largest", 180 * MB, 170 * MB),
        composition(1, "end", 20 * MB, 15 * MB),
        composition(2, "begin", 170 * MB, 4 * MB),
        composition(2, "end", 172 * MB, 160 * MB),
        composition(3, "end", 170 * MB, 140 * MB),
        composition(4, "end", 10 * MB, 10 * MB),
        composition(5, "end", 10 * MB, 10 * MB),
    ]
    two, four, _ = like_forked(processes, compositions)
    assert (two.pid, two.measured_workers) == (1, 2)
    assert (four.once_bytes, four.each_bytes, four.total_bytes) == (180 * MB, 150 * MB, 780 * MB)
    assert four.sum_of_rss_bytes == (180 + 4 * 171) * MB
    assert like_forked([processes[0], processes[3]], compositions) == []
    assert like_forked(processes, compositions[:2]) == []
    assert like_forked([], []) == []


CATEGORIES = st.sampled_from(
    [
        "malloc/heap",
        "malloc/mapped blocks",
        "python/arenas",
        "stack/threads",
        "file/torch",
        "model file/w",
        "anonymous/",
    ]
)
ROWS = st.dictionaries(CATEGORIES, st.integers(0, 1000), max_size=7)
FIGURE = st.none() | st.integers(0, 1500)


@st.composite
def readings(draw, number):
    rows = [row(*name.split("/"), size) for name, size in draw(ROWS).items()]
    return reading(
        number,
        rows,
        rss=draw(st.integers(0, 5000)),
        malloc_in_use_bytes=draw(FIGURE),
        python_in_use_bytes=draw(FIGURE),
        tracemalloc_bytes=draw(FIGURE),
    )


@given(st.lists(st.tuples(readings(1), readings(2), st.integers(0, 5000), st.integers(0, 5000), st.booleans())))
def test_the_items_and_what_is_unexplained_add_up_to_the_change(runs):
    fold = LedgerFold()
    for span, (before, after, begin_rss, end_rss, again) in enumerate(runs, 1):
        if again:
            after = msgspec.structs.replace(after, rows=[], rows_of=1)
        run(fold, span, f"p{span % 2}", before, after, begin_rss, end_rss)
    for ledger in fold.ledgers():
        assert sum(item.bytes for item in ledger.items) + ledger.unexplained_bytes == ledger.rss_delta_bytes
        assert not any(item.category in ("anonymous", "other") for item in ledger.items)
    for composition in fold.compositions():
        assert sum(item.bytes for item in composition.items) + composition.unexplained_bytes == composition.rss_bytes


@pytest.mark.parametrize(
    ("heap", "nameless"), [(2, 98), (100, 0), (40, 60)], ids=["mapped", "in the heap, like tcmalloc's", "both"]
)
def test_an_allocator_that_replaces_malloc_is_named(heap, nameless):
    rows = [row("malloc", "heap", heap * MB), row("anonymous", "", nameless * MB + 3 * MB)]
    breakdown = break_down(
        reading(
            1, rows, malloc_in_use_bytes=MB, other="jemalloc", other_in_use_bytes=70 * MB, other_held_bytes=99 * MB
        ),
        rows,
    )
    sizes = {key: figures[0] for key, figures in breakdown.items.items() if figures[0]}
    assert sizes == {
        ("native heap", "jemalloc"): 70 * MB,
        ("allocator free", "jemalloc"): 29 * MB,
        ("native heap", "malloc"): MB,
    }
    assert breakdown.unexplained[0] == 3 * MB


@pytest.mark.parametrize(
    ("category", "owner", "free"),
    [("pool", "mimalloc", 60), ("anonymous", "", 30)],
    ids=["its arenas are known", "as much as at its peak"],
)
def test_the_pool_of_a_library_is_in_use_or_free(category, owner, free):
    rows = [row(category, owner, 80 * MB)]
    figures = AllocatorFigures(pools=[PoolFigures("Arrow", "mimalloc", 20 * MB, 50 * MB)])
    breakdown = break_down(MappingsReading(1, 0, 0, 80 * MB, rows, figures), rows)
    sizes = {key: figures[0] for key, figures in breakdown.items.items() if figures[0]}
    assert sizes == {("native heap", "Arrow's mimalloc"): 20 * MB, ("allocator free", "Arrow's mimalloc"): free * MB}
    assert breakdown.unexplained[0] == (60 - free) * MB


def test_an_allocator_that_replaces_malloc_takes_the_mappings_that_have_its_name_first():
    rows = [row("pool", "jemalloc", 60 * MB), row("anonymous", "", 30 * MB)]
    breakdown = break_down(
        reading(1, rows, other="jemalloc", other_in_use_bytes=50 * MB, other_held_bytes=70 * MB), rows
    )
    sizes = {key: figures[0] for key, figures in breakdown.items.items() if figures[0]}
    assert sizes == {("native heap", "jemalloc"): 50 * MB, ("allocator free", "jemalloc"): 20 * MB}
    assert breakdown.unexplained[0] == 20 * MB


def test_a_pool_that_nobody_answers_for_has_the_name_of_its_allocator():
    rows = [row("pool", "jemalloc", 8 * MB)]
    breakdown = break_down(reading(1, rows), rows)
    assert breakdown.items["native heap", "jemalloc"][0] == 8 * MB


def test_the_tables_of_tracemalloc_are_in_the_heap_of_the_allocator_that_is_used():
    rows = [row("malloc", "heap", 2 * MB), row("anonymous", "", 50 * MB)]
    figures = {"other": "mimalloc", "other_held_bytes": 50 * MB, "malloc_in_use_bytes": 2 * MB}
    breakdown = break_down(reading(1, rows, tracemalloc_bytes=10 * MB, **figures), rows)
    sizes = {key: figures[0] for key, figures in breakdown.items.items() if figures[0]}
    assert sizes == {
        ("tracer", "tracemalloc"): 10 * MB,
        ("native heap", "mimalloc"): 40 * MB,  # mimalloc does not say how much is in use
        ("native heap", "malloc"): 2 * MB,
    }
