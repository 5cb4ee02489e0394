"""The fold of a capture against a slow, plain model that keeps every block and adds them up after each step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fwmemtrace.capture import markers
from fwmemtrace.capture.fold import CaptureFold
from fwmemtrace.capture.largest import largest_stacks
from fwmemtrace.capture.native_records import FREE, MMAP, MUNMAP, PYMALLOC_FREE
from fwmemtrace.capture.rows import build_rows
from fwmemtrace.capture.samples import samples
from fwmemtrace.capture.stacks import ReadableStack
from fwmemtrace.paths import encodable, write

MALLOC, PYMALLOC_MALLOC = 6, 2
OWN_THREAD = 1
PAGE = 4096
MARKER_BLOCK = 0xAAA8


class Tape:
    """Writes records as a traced program leaves them: allocations, and markers at the edges of phases."""

    def __init__(self):
        self.records = []
        self.stacks = {}

    def block(self, tid, address, size, allocator=MALLOC, stack=7):
        self.records.append((tid, address, size, allocator, stack, 1, 0, 0))

    def marker(self, tid, word, text=None, slot=0):
        marker = markers.Marker(word, slot // markers.SIZES, text)
        key = ("marker", *marker)
        self.stacks[key] = marker
        self.records.append((tid, MARKER_BLOCK, markers.SMALLEST + slot % markers.SIZES, MALLOC, key, 1, 0, 0))
        self.records.append((tid, MARKER_BLOCK, 0, FREE, 0, 1, 0, 0))

    def folds(self, batch=None):
        """Yield one fold again and again, each time after some more records."""
        fold = CaptureFold(lambda key: self.stacks.get(key), OWN_THREAD)
        step = batch or len(self.records) or 1
        for start in range(0, len(self.records), step):
            fold.feed(self.records[start : start + step])
            yield fold
        if not self.records:
            yield fold

    def fold(self, batch=None):
        *_, last = self.folds(batch)
        return last

    def rows(self, batch=None):
        return rows_of(self.fold(batch))


def rows_of(fold):
    rows = build_rows(fold, 100, lambda key: ReadableStack([], str(key), None, None, None))
    return {write(path): row for path, row in rows.items()}


@dataclass(eq=False)
class Block:
    size: int
    run: ModelRun
    stack: int
    pages: list[int] | None = None  # of a mapping; None for a block of malloc
    file: bool = False


@dataclass(eq=False)
class ModelRun:
    path: str
    slot: int
    outer: ModelRun | None
    parent: ModelRun | None
    open: bool = True


@dataclass
class Model:
    """All that the rows tell, computed from all live blocks at every step."""

    files: dict[int, bool]  # by the number of the mapping: whether it turns out to be of a file
    live: list[Block] = field(default_factory=list)
    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    mappings: int = 0

    def row(self, path):
        return self.totals.setdefault(
            path,
            dict.fromkeys(("allocated", "count", "freed", "held", "whole_held", "peak", "whole_peak", "later"), 0),
        )

    def allocate(self, run, size, stack, address, pages=None):
        if pages is None:
            self.live = [block for block in self.live if block.pages is not None or block.address != address]
        row = self.row(run.path)
        row["allocated"] += size
        row["count"] += 1
        block = Block(size, run, stack, pages)
        block.address = address
        if pages is not None:
            block.file = self.files.get(self.mappings, False)
            self.mappings += 1
        self.live.append(block)
        self.update_peaks()

    def free(self, run, address):
        for block in self.live:
            if block.pages is None and block.address == address:
                self.live.remove(block)
                self.count_free(run, block, block.size)
                return

    def unmap(self, run, pages):
        for block in list(self.live):
            if block.pages is None:
                continue
            lost = [page for page in block.pages if page in pages]
            if not lost:
                continue
            block.pages = [page for page in block.pages if page not in pages]
            size = sum(self.page_size(block, page) for page in lost)
            block.size -= size
            self.count_free(run, block, size)
            if not block.pages:
                self.live.remove(block)

    @staticmethod
    def page_size(block, page):
        return block.tail if page == block.last else PAGE

    def count_free(self, run, block, size):
        self.row(run.path)["freed"] += size
        if not block.run.open:
            self.row(block.run.path)["later"] += size

    def end(self, run):
        run.open = False
        mine = [block for block in self.live if not block.file]
        self.row(run.path)["held"] += sum(block.size for block in mine if block.run is run)
        self.row(run.path)["whole_held"] += sum(block.size for block in mine if inside(block.run, run))

    def update_peaks(self):
        for path, row in self.totals.items():
            own = sum(block.size for block in self.live if block.run.path == path and not block.file)
            row["peak"] = max(row["peak"], own)
            whole = sum(block.size for block in self.live if around(path, block.run.path) and not block.file)
            row["whole_peak"] = max(row["whole_peak"], whole)


def inside(run, other):
    while run is not None:
        if run is other:
            return True
        run = run.parent
    return False


def around(path, other):
    return path == other or (path != "" and other.startswith(path + "/"))


NAMES = st.sampled_from(["a", "b", "c"])
THREADS = st.sampled_from([OWN_THREAD, 2, 3])
STEPS = st.one_of(
    st.tuples(st.just("begin"), THREADS, NAMES),
    st.tuples(st.just("end"), THREADS),
    st.tuples(st.just("malloc"), THREADS, st.integers(0, 5), st.integers(0, 3000), st.sampled_from([5, 6, 7])),
    st.tuples(st.just("free"), THREADS, st.integers(0, 5)),
    st.tuples(st.just("mmap"), THREADS, st.integers(1, 6), st.sampled_from([0, 0, 100])),
    st.tuples(
        st.just("brief"), THREADS, st.integers(1, 3), st.sampled_from([0, 0, 100]), st.none() | st.integers(0, 30)
    ),
    st.tuples(st.just("munmap"), THREADS, st.integers(0, 40), st.integers(1, 8)),
    st.tuples(st.just("reading"), THREADS, st.sets(st.integers(0, 30))),
    st.tuples(st.just("switch"), THREADS, st.integers(0, 5)),
    st.tuples(st.just("home"), THREADS),
)


def play(steps, files, tape):
    """Run the steps in the model, and write them to the tape; return which mappings turned out to be of files."""
    model = Model(files)
    outside = ModelRun("", 0, None, None)
    model.row("")
    threads = {}
    opened = []
    slots = {}
    next_page = 0
    found = {}
    unsettled = []

    def current(tid):
        run = threads.get(tid)
        while run is not None and not run.open:
            run = run.outer
        if run is None and tid != OWN_THREAD:
            return current(OWN_THREAD)
        return run or outside

    def settle(choice):
        for block in unsettled:
            # A reading settles what is still mapped; what is gone already keeps the guess by its length.
            if choice is None or not block.pages:
                found[block.number] = block.tail != PAGE
            else:
                found[block.number] = block.number in choice
        unsettled.clear()

    for step in steps:
        kind, tid = step[:2]
        here = current(tid)
        if kind == "begin":
            own = threads.get(tid)
            while own is not None and not own.open:
                own = own.outer
            path = step[2] if own is None else f"{own.path}/{step[2]}"
            free = slots.setdefault(path, [])
            slot = next(number for number in range(len(free) + 1) if number not in free)
            free.append(slot)
            run = ModelRun(path, slot, own, own)
            model.row(path)
            threads[tid] = run
            opened.append(run)
            tape.marker(tid, "begin", path, slot)
        elif kind == "end" and opened:
            run = threads.get(tid)
            if run is None or not run.open:
                continue
            model.end(run)
            opened.remove(run)
            slots[run.path].remove(run.slot)
            tape.marker(tid, "end", run.path, run.slot)
        elif kind == "switch" and opened:
            run = opened[step[2] % len(opened)]
            threads[tid] = run
            tape.marker(tid, "switch", run.path, run.slot)
        elif kind == "home":
            threads.pop(tid, None)
            tape.marker(tid, "home")
        elif kind == "malloc":
            _, _, place, size, stack = step
            if markers.SMALLEST <= size <= markers.LARGEST:
                size = 5000
            address = 0x1000 + 8 * place
            model.allocate(here, size, stack, address)
            tape.block(tid, address, size, MALLOC if stack < 7 else PYMALLOC_MALLOC, stack)
        elif kind == "free":
            address = 0x1000 + 8 * step[2]
            model.free(here, address)
            tape.block(tid, address, 0, FREE if step[2] % 2 else PYMALLOC_FREE, 0)
        elif kind in ("mmap", "brief"):
            # A brief one is unmapped by the next record, and may lie over others (`MAP_FIXED`).
            place = next_page if kind == "mmap" or step[4] is None else step[4]
            pages = list(range(place, place + step[2]))
            next_page = max(next_page, place + step[2] + 1)
            tail = step[3] or PAGE
            size = (len(pages) - 1) * PAGE + tail
            block = Block(size, here, 9, pages)
            row = model.row(here.path)
            row["allocated"] += size
            row["count"] += 1
            block.tail, block.last, block.number = tail, pages[-1], model.mappings
            block.file = files.get(model.mappings, False)
            model.mappings += 1
            model.live.append(block)
            unsettled.append(block)
            model.update_peaks()
            tape.block(tid, pages[0] * PAGE, size, MMAP, 9)
            if kind == "brief":
                model.unmap(here, pages)
                tape.block(tid, pages[0] * PAGE, len(pages) * PAGE, MUNMAP, 0)
        elif kind == "munmap":
            pages = range(step[2], step[2] + step[3])
            model.unmap(here, pages)
            tape.block(tid, step[2] * PAGE, step[3] * PAGE, MUNMAP, 0)
        elif kind == "reading":
            for block in model.live:
                if block.pages and block.number in step[2]:
                    row = markers.MappedRange(
                        block.pages[0] * PAGE, (block.pages[0] + 1) * PAGE, f"/f{block.number}"
                    ).row()
                    tape.marker(tid, "maps+", row)
            tape.marker(tid, "maps!")
            for block in model.live:
                if block.pages and block.number in step[2]:
                    row = markers.MappedRange(
                        block.pages[0] * PAGE, (block.pages[0] + 1) * PAGE, f"/f{block.number}"
                    ).row()
                    tape.marker(tid, "maps-", row)
            settle(step[2])
    settle(None)
    for run in opened:
        model.end(run)
    model.end(outside)
    return model, found


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from([1, 3, None]))
# Mapped in a run inside another one that has ended, which held none of it.
@example(
    [("begin", 1, "a"), ("begin", 1, "a"), ("switch", 2, 0), ("end", 2), ("mmap", 1, 1, 100), ("reading", 1, set())], 1
)
# Half of it was unmapped between the end of the run and the reading that tells its kind: the run held all of it.
@example([("begin", 1, "a"), ("mmap", 1, 2, 100), ("end", 1), ("munmap", 1, 0, 1), ("reading", 1, set())], 1)
def test_the_fold_agrees_with_a_model_that_keeps_every_block(steps, batch):
    _, files = play(steps, {}, Tape())
    tape = Tape()
    model, _ = play(steps, files, tape)
    rows = tape.rows(batch)

    assert {path for path, row in model.totals.items()} == set(rows)
    for path, expected in model.totals.items():
        row = rows[path]
        mine = [block for block in model.live if block.run.path == path]
        assert row.allocated_bytes == expected["allocated"]
        assert row.allocations == expected["count"]
        assert row.freed_bytes == expected["freed"]
        assert row.live_bytes == sum(block.size for block in mine if not block.file)
        assert row.file_backed_bytes == sum(block.size for block in mine if block.file)
        assert sum(row.freed_later.values()) == expected["later"]
        assert row.held_bytes == expected["held"]
        assert row.including_inner.held_bytes == expected["whole_held"]
        assert sum(site.live_bytes for site in row.top) == row.live_bytes
        assert sum(site.allocated_bytes for site in row.top) == row.allocated_bytes
        inner = [other for other in rows if around(path, other)]
        assert row.including_inner.allocated_bytes == sum(rows[other].allocated_bytes for other in inner)
        assert row.peak_bytes == expected["peak"]
        assert row.including_inner.peak_bytes == expected["whole_peak"]
        if row.at_peak or not any(step[0] in ("mmap", "brief") for step in steps):
            assert sum(site.at_peak_bytes for site in row.at_peak) == row.peak_bytes


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40), st.sampled_from([1, 2, 5, 20]))
def test_a_fold_can_be_asked_for_rows_at_any_time(steps, batch):
    tape = Tape()
    play(steps, {}, tape)
    asked_often = None
    for number, fold in enumerate(tape.folds(batch), 1):
        prefix = Tape()
        prefix.records, prefix.stacks = tape.records[: number * batch], tape.stacks
        asked_often = rows_of(fold)
        assert asked_often == rows_of(fold) == prefix.rows(batch)
    assert asked_often == tape.rows(batch)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40), st.integers(0, 8))
def test_the_largest_stacks_and_the_sums_of_the_others_are_those_of_the_samples(steps, most):
    tape = Tape()
    play(steps, {}, tape)
    fold = tape.fold()
    expected = {}
    for sample in samples(fold, lambda key: []):
        figures = (
            sample.live_bytes, sample.at_peak_bytes or 0, sample.allocated_bytes, sample.allocations,
            sample.allocated_bytes - sample.live_bytes - sample.file_backed_bytes,
        )  # fmt: skip
        expected.setdefault(sample.phase, []).append((figures, str(sample.key)))
    prepared = []
    largest = largest_stacks(fold, lambda key: [(str(key), "x.py", 1, None)], prepared.extend, most)
    found = {phase: [] for phase in expected}
    for stack in largest.stacks:
        names = None if stack.frames is None else [largest.frames[number].function for number in stack.frames]
        found[stack.phase].append((stack.figures, names, stack.stacks))
    shown = [(figures, names) for stacks in found.values() for figures, names, _ in stacks if names]
    assert [name for _, (name,) in shown] == [str(key) for key in prepared]
    assert len(shown) == min(most, sum(map(len, expected.values())))
    for phase, stacks in expected.items():
        for figures, names, count in found[phase]:
            assert names is None or (figures, names[0]) in stacks
            assert names is None or count == 1
        assert sum(count for _, _, count in found[phase]) == len(stacks)
        whole = [sum(column) for column in zip(*(figures for figures, *_ in found[phase]), strict=True)]
        assert whole == [sum(column) for column in zip(*(figures for figures, _ in stacks), strict=True)]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_the_samples_of_a_phase_add_up_to_its_row(steps):
    tape = Tape()
    play(steps, {}, tape)
    fold = tape.fold()
    added = {path: Counter() for path in tape.rows()}
    peaks_known = {}
    for sample in samples(fold, lambda key: [(str(key), "x.py", 1, None)]):
        figures = added[write(sample.phase)]
        for name in ("allocated_bytes", "allocations", "live_bytes", "file_backed_bytes"):
            figures[name] += getattr(sample, name)
        figures["ambient_bytes"] += sample.allocated_bytes * sample.ambient
        figures["at_peak_bytes"] += sample.at_peak_bytes or 0
        peaks_known.setdefault(sample.phase, set()).add(sample.at_peak_bytes is not None)
    for path, row in rows_of(fold).items():
        figures = added[path]
        assert figures["allocated_bytes"] == row.allocated_bytes
        assert figures["allocations"] == row.allocations
        assert figures["live_bytes"] == row.live_bytes
        assert figures["file_backed_bytes"] == row.file_backed_bytes
        assert figures["ambient_bytes"] == row.ambient_bytes
        assert figures["at_peak_bytes"] == (row.peak_bytes if row.at_peak else 0)
    assert all(len(known) == 1 for known in peaks_known.values())


# Every name that Python can hold, lone surrogates included, and those that have a meaning in a path.
ANY_NAMES = st.text(st.characters(exclude_categories=()), min_size=1, max_size=8) | st.sampled_from(
    ["/", "\\", "a/b", "a\\b", "a\\", "/a", "\\/", "\\\\", "\0", "\n", "GET /users/{id}", "'", '"', "\udc80"]
)


@given(st.lists(ANY_NAMES, min_size=1, max_size=3), st.booleans())
def test_every_name_of_a_phase_comes_back_from_its_marker(path, is_spelled):
    tape = Tape()
    text = write(path)
    if is_spelled:
        for byte in text.encode("utf-8", "surrogatepass"):
            for half in (byte >> 4, byte & 15):
                tape.stacks["spell"] = markers.Marker("spell", 0, None)
                tape.records.append((OWN_THREAD, MARKER_BLOCK, markers.SMALLEST + half, MALLOC, "spell", 1, 0, 0))
        tape.marker(OWN_THREAD, "begin", None)
    else:
        tape.marker(OWN_THREAD, "begin", markers.read_name(markers.name_of("begin", text)).text)
    tape.block(OWN_THREAD, 1, 10)
    begun = {path: tally.runs for path, tally in tape.fold().phases.tallies.items()}
    assert begun[tuple(map(encodable, path))] == 1


def test_names_that_an_old_capture_did_not_escape_are_read():
    tape = Tape()
    for slot, text in enumerate(["init/load", "C:\\temp", "a\\\\b"]):
        tape.marker(OWN_THREAD, "begin", text, slot)
        tape.marker(OWN_THREAD, "end", text, slot)
    paths = {path for path, tally in tape.fold().phases.tallies.items() if tally.runs}
    # Two backslashes cannot be told from an escaped one.
    assert paths == {(), ("init", "load"), ("C:\\temp",), ("a\\b",)}


def test_a_spelled_path_is_read():
    tape = Tape()
    for byte in "x/ü".encode():
        for half in (byte >> 4, byte & 15):
            tape.stacks["spell"] = markers.Marker("spell", 0, None)
            tape.records.append((OWN_THREAD, MARKER_BLOCK, markers.SMALLEST + half, MALLOC, "spell", 1, 0, 0))
    tape.marker(OWN_THREAD, "begin", None, 3)
    tape.block(OWN_THREAD, 1, 10)
    assert tape.rows()["x/ü"].allocated_bytes == 10


def test_a_thread_without_a_phase_counts_with_the_session_thread_as_ambient():
    tape = Tape()
    tape.marker(OWN_THREAD, "begin", "a")
    tape.block(2, 1, 10)
    tape.block(OWN_THREAD, 2, 100)
    tape.marker(2, "begin", "b")
    tape.block(2, 3, 1000)
    tape.marker(2, "end", "b")
    tape.block(2, 4, 10_000)
    tape.marker(2, "away")
    tape.block(2, 5, 100_000)
    rows = tape.rows()
    assert (rows["a"].allocated_bytes, rows["a"].ambient_bytes, rows["a"].ambient_allocations) == (10_110, 10_010, 2)
    assert (rows["b"].allocated_bytes, rows["b"].ambient_bytes) == (1000, 0)
    assert (rows[""].allocated_bytes, rows[""].ambient_bytes) == (100_000, 0)


def test_a_marker_names_the_session_thread():
    tape = Tape()
    tape.marker(5, "own")
    tape.marker(5, "begin", "a")
    tape.block(2, 1, 10)
    assert tape.rows()["a"].ambient_bytes == 10


def test_a_block_of_a_marker_size_is_a_marker_only_if_its_stack_is():
    tape = Tape()
    tape.block(OWN_THREAD, 1, markers.SMALLEST)
    tape.marker(OWN_THREAD, "begin", "a")
    fold = tape.fold()
    assert (fold.markers, fold.marker_bytes) == (1, markers.SMALLEST)
    assert (
        build_rows(fold, 1, lambda key: ReadableStack([], None, None, None, None))[()].allocated_bytes
        == markers.SMALLEST
    )


def test_a_run_whose_end_is_missing_ends_when_its_slot_is_reused():
    tape = Tape()
    tape.marker(OWN_THREAD, "begin", "a")
    tape.block(OWN_THREAD, 1, 10)
    tape.marker(OWN_THREAD, "begin", "a")
    tape.block(OWN_THREAD, 1, 0, FREE)
    tape.block(OWN_THREAD, 2, 30)
    row = tape.rows()["a"]
    assert (row.held_bytes, row.live_bytes) == (40, 30)


def test_reserved_address_space_is_live_and_shown_separately():
    tape = Tape()
    tape.block(OWN_THREAD, 2**30, 2**20, MMAP)
    tape.marker(OWN_THREAD, "maps+", markers.MappedRange(2**30 + PAGE, 2**30 + 2**20, None).row())
    tape.marker(OWN_THREAD, "maps!")
    row = tape.rows()[""]
    assert (row.live_bytes, row.reserved_bytes) == (2**20, 2**20 - PAGE)


@given(st.text(max_size=40), st.integers(0, 40), st.sampled_from(["begin", "maps+"]))
def test_names_of_markers_round_trip(text, high, word):
    name = markers.name_of(word, text, high)
    assert markers.read_name(name) == (word, high, text)
    assert name.isascii()
    assert "\0" not in name


@given(st.integers(0, 2**47), st.integers(0, 2**47), st.none() | st.text(min_size=1))
def test_rows_of_mappings_round_trip(start, end, path):
    mapping = markers.MappedRange(start, end, path)
    assert markers.read_row(mapping.row()) == mapping
