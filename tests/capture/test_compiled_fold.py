"""The compiled core's fold against the one in Python, on the same records: both must agree to the byte."""

from __future__ import annotations

from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capture.capture_writer import CaptureWriter
from tests.capture.test_fold import MALLOC, OWN_THREAD, PAGE, STEPS, Tape, play, rows_of

from fwmemtrace import core
from fwmemtrace.capture import markers
from fwmemtrace.capture.fold import CaptureFold
from fwmemtrace.capture.native_records import FREE, MMAP, MUNMAP
from fwmemtrace.capture.samples import samples

compiled, _ = core.load()
pytestmark = pytest.mark.skipif(compiled is None, reason="the compiled core cannot be used")
FIGURES = attrgetter(
    "phase", "ambient", "allocated_bytes", "allocations", "live_bytes", "live_allocations", "at_peak_bytes",
    "file_backed_bytes", "key",
)  # fmt: skip


class Both:
    """The same records in a fold of either kind."""

    def __init__(self, folder, tape, native=False):
        from fwmemtrace.capture.compiled_fold import CompiledFold

        self.ended = [], []
        self.native = native
        writer = CaptureWriter(native)
        self.markers = {}
        self.records = []
        for record in tape.records:
            marker = tape.stacks.get(record[4])
            self.records.append(writer.add(record, marker))
            self.markers[writer.stack(record[4])] = marker
        self.path = path = folder / "capture.bin"
        path.write_bytes(writer.bytes())
        self.compiled = CompiledFold(
            compiled.CaptureParser(path), OWN_THREAD, lambda *run: self.ended[0].append(run), native=native
        )
        self.taken = 0

    def feed(self, most):
        """Have the compiled one take some records; return whether there were any."""
        taken = self.compiled.feed(most)
        self.taken += taken
        return taken > 0

    def python(self):
        """Return a fold in Python of the records that the other one has taken."""
        self.ended[1].clear()
        fold = CaptureFold(self.marker_of, OWN_THREAD, lambda *run: self.ended[1].append(run), native=self.native)
        fold.feed(self.records[: self.taken])
        return fold

    def marker_of(self, key):
        return self.markers.get(key[0] if self.native else key)

    def assert_equal(self):
        python = self.python()
        for _ in range(2):  # asking changes nothing
            assert rows_of(self.compiled) == rows_of(python)
            assert all_samples(self.compiled) == all_samples(python)
        assert self.ended[0] == self.ended[1]
        assert (self.compiled.markers, self.compiled.marker_bytes) == (python.markers, python.marker_bytes)


def assert_peak_is_memrays(both):
    memray = pytest.importorskip("memray")
    try:
        reader = memray.FileReader(str(both.path))
    except OSError:  # it reads another version only
        return
    with reader:
        assert both.compiled.peak_bytes == reader.metadata.peak_memory


def all_samples(fold):
    return list(map(FIGURES, samples(fold, lambda key: [])))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from([1, 3, 1000]), st.booleans())
def test_both_folds_agree_at_any_time(tmp_path_factory, steps, most, native):
    tape = Tape()
    play(steps, {}, tape)
    both = Both(tmp_path_factory.getbasetemp(), tape, native)
    while both.feed(most):
        both.assert_equal()
    assert both.taken == len(tape.records)
    both.assert_equal()
    assert_peak_is_memrays(both)


RECORDS = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 2**63]),
        st.integers(0, 6).map(lambda place: place * PAGE),
        st.sampled_from([0, 1, markers.SMALLEST, markers.LARGEST, PAGE, PAGE, 2 * PAGE, 2**40]),
        st.sampled_from([MALLOC, MALLOC, FREE, FREE, 2, 1, MMAP, MUNMAP, 10]),
        st.integers(0, 3),
    ),
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(RECORDS, st.sampled_from([None, "home", "away", "begin", "end", "maps!"]), st.sampled_from([1, 1000]))
def test_both_folds_agree_about_records_that_no_program_leaves(tmp_path_factory, records, word, most):
    tape = Tape()
    tape.marker(1, "begin", "a")
    if word is not None:
        tape.stacks[0] = markers.Marker(word, 0, "a/b" if word in ("begin", "end") else None)
    tape.records += [(*record, 1, 0, 0) for record in records]
    both = Both(tmp_path_factory.getbasetemp(), tape)
    while both.feed(most):
        both.assert_equal()
    assert_peak_is_memrays(both)


def test_blocks_and_sites_are_freed(tmp_path):
    tape = Tape()
    for number in range(2500):  # more than fit in the first tables
        tape.block(1, 16 * number, 10, stack=number)
    both = Both(tmp_path, tape)
    while both.feed(100):
        pass
    assert len(all_samples(both.compiled)) == 2500
    both.assert_equal()
    both.compiled.release()
    assert all_samples(both.compiled) == []


def test_a_callback_that_raises_is_passed_on(tmp_path):
    tape = Tape()
    tape.marker(1, "begin", "a")
    tape.block(1, 8, 10)
    tape.marker(1, "end", "a")
    both = Both(tmp_path, tape)

    def ended(*_):
        raise KeyboardInterrupt

    both.compiled.phases._ended = ended
    with pytest.raises(KeyboardInterrupt):
        both.feed(1000)
    assert rows_of(both.compiled)["a"].allocated_bytes == 10
    assert both.feed(1000)  # what was left


def test_a_fold_takes_only_its_own_runs(tmp_path):
    tape = Tape()
    tape.block(1, 8, 10)
    both = Both(tmp_path, tape)
    for wrong in (None, (1, False), (both.python().phases.outside, False)):
        fold = compiled.Fold(
            compiled.CaptureParser(tmp_path / "capture.bin"), False, lambda thread, wrong=wrong: wrong, *[print] * 4
        )
        with pytest.raises(TypeError):
            fold.feed(10)


def test_sites_are_like_lists():
    with pytest.raises(TypeError):
        compiled.Site()
    with pytest.raises(TypeError):
        compiled.Tally(None, None, None, {}, {})
    with pytest.raises(TypeError):
        compiled.Run(compiled.Tally.__new__(compiled.Tally), None)


def test_many_runs_in_one_thread_take_time_in_proportion(tmp_path):
    tape = Tape()
    for _ in range(300):
        tape.marker(1, "begin", "a")
        tape.block(1, 8, 10)
        tape.marker(1, "end", "a")
    both = Both(tmp_path, tape)
    while both.feed(1000):
        pass
    both.assert_equal()
    run = both.compiled.phases._open
    assert not run
    assert both.compiled.phases._current(1) is None
    assert 1 not in both.compiled.phases._threads
