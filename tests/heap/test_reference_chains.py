"""What keeps growing types alive: each planted leak gets the chain of references that keeps it."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import textwrap
from collections import Counter

import msgspec
import pytest

import fwmemtrace
from fwmemtrace.analysis.holders import HoldersFold
from fwmemtrace.exporters.dot import dot
from fwmemtrace.heap import reference_chains
from fwmemtrace.heap.reference_chains import Example, examples
from fwmemtrace.probes.objects import grown_types
from fwmemtrace.probes.objects.grown_types import Grown, GrownTypes
from fwmemtrace.probes.resident import timeline
from fwmemtrace.records import HolderStep, ObjectHolder, ObjectRow
from fwmemtrace.reports.blocks import plain
from fwmemtrace.reports.holder_words import holder_words

KEPT = []
NO_LIMIT = 10**18  # a search ends by itself, however slow the machine is


class Thing:
    pass


class Slotted:
    __slots__ = ("inside",)


class Owner:
    shared = {}

    def method(self):
        pass


def chain(thing):
    found = reference_chains.chain_to(Example((thing,)), NO_LIMIT)
    return found.root, [step.link for step in found.steps][1:], found.steps[0].name


@pytest.mark.slow
def test_links_are_written_as_in_a_program():
    thing = Thing()
    KEPT.append(thing)
    assert chain(thing) == ("module", [".KEPT", "[0]"], __name__)
    KEPT[0] = Owner()
    KEPT[0].attribute = {"key": (None, thing)}
    assert chain(thing) == ("module", [".KEPT", "[0]", ".attribute", "['key']", "[1]"], __name__)
    KEPT[0] = Slotted()
    KEPT[0].inside = thing
    assert chain(thing) == ("module", [".KEPT", "[0]", ".inside"], __name__)
    KEPT[:] = [{thing}]
    assert chain(thing) == ("module", [".KEPT", "[0]", "refers to"], __name__) or chain(thing)[1][-1] == " refers to"
    KEPT.clear()
    Owner.shared["not an identifier: 4711"] = thing
    assert chain(thing) == ("module", [".Owner", ".shared", "[a str]"], __name__)
    Owner.shared.clear()


def test_a_closure():
    def make():
        kept, other = [], []

        def handler(thing):
            other.append(None)
            kept.append(thing)

        return handler

    KEPT.append(make())
    thing = Thing()
    KEPT[0](thing)
    try:
        assert chain(thing) == ("module", [".KEPT", "[0]", " variable kept", "[0]"], __name__)
    finally:
        KEPT.clear()


def test_a_cycle():
    class Node:
        def __del__(self):
            pass

    one, two = Node(), Node()
    one.peer, two.peer = two, one
    found = reference_chains.chain_to(Example((one,)), NO_LIMIT)
    assert found.root == "cycle"
    assert [step.link for step in found.steps] == ["", ".peer", ".peer"]
    assert "Node has a __del__" in found.note
    one.peer = None


def test_a_local_variable_is_unseen():
    local = [Thing()]
    found = reference_chains.chain_to(Example((local[0],)), NO_LIMIT)
    assert found.root == "unseen"
    assert [step.type for step in found.steps] == ["builtins.list", f"{__name__}.Thing"]


def test_a_search_that_takes_too_long_ends():
    ticks = iter(range(10**9))
    thing = Thing()
    KEPT.append(thing)
    try:
        found = reference_chains.chain_to(Example((thing,)), 1, lambda: next(ticks) * 10)
    finally:
        KEPT.clear()
    assert found.root == ""
    assert "took too long" in found.note


@pytest.mark.slow
def test_the_youngest_of_a_type_come_first_and_the_newest_last():
    kept = [Thing() for _ in range(10)]
    gc.collect()
    kept += [Thing() for _ in range(3)]
    found = [example.path[-1] for example in examples(f"{__name__}.Thing", number=3)]
    assert [kept.index(thing) for thing in found] == [11, 10, 9]
    two = [example.path[-1] for example in examples(f"{__name__}.Thing", number=99)]
    assert len(two) == 13
    assert two[-1] is kept[-1]
    assert examples("nothing.of_this_name") == []


@pytest.mark.slow
def test_examples_of_an_untracked_type_come_from_the_object_with_the_most_of_them():
    many = [bytearray(1) for _ in range(5000)]
    few = [bytearray(2)]
    for example in examples("builtins.bytearray"):
        assert example.path[0] is many
        assert example.path[1] in many
    assert few


@pytest.mark.slow
def test_the_tracer_s_own_constants_are_no_examples():
    own = vars(timeline)
    constant = own["_SHARE"]
    for container in (own, timeline.Timeline._next_pause):
        assert reference_chains._is_ours(container)
    assert not any(example.path[-1] is constant for example in examples("builtins.float", number=100_000))


@pytest.mark.slow
def test_examples_are_of_about_the_size_of_the_growth():
    KEPT.append({f"number {number}": b"x" * 200_000 for number in range(20)})
    others = [b"%d" % number for number in range(1000)]
    try:
        for example in examples("builtins.bytes", 200_033):
            assert len(example.path[-1]) == 200_000
            assert example.path[-2] is KEPT[0]
            found = reference_chains.chain_to(example, NO_LIMIT)
            assert [step.link for step in found.steps] == ["", ".KEPT", "[0]", "[a str]"]
    finally:
        KEPT.clear()
    assert others


def test_types_that_grow_run_after_run():
    grown = GrownTypes()
    for run in range(5):
        rows = [
            ObjectRow("app.Leak", 1, 1, 2, 100),
            ObjectRow("builtins.dict", 1, 1, 2, 1000),
            ObjectRow("app.Once", 1, 1, 50 if run == 1 else 0, 5000 if run == 1 else 0),
            ObjectRow("app.Cache", 1, 1, 500 if run == 0 else 0, 5000),
            ObjectRow("app.Shrinks", 1, 1, -1, -100),
        ]
        grown.add("request/inner", rows)
        grown.add("request", rows)
    assert grown.largest(5) == [
        Grown("app.Leak", "request/inner", 8, 400, 4),
        Grown("builtins.dict", "request/inner", 8, 4000, 4),
    ]
    assert [found.kind for found in grown.largest(1)] == ["app.Leak"]


def test_types_whose_objects_are_freed_after_the_phase_do_not_grow():
    grown = GrownTypes()
    for run in range(5):
        grown.add("request", [ObjectRow("app.Leak", 10 + run, 1, 1, 100), ObjectRow("app.Result", 50, 1, 50, 5000)])
    live = {"app.Leak": (14, 1400), "app.Result": (50, 5000)}
    assert [found.kind for found in grown.largest(5, live)] == ["app.Leak"]


def test_types_that_grow_by_about_one_a_run_come_first():
    grown = GrownTypes()
    for _ in range(5):
        grown.add("request", [ObjectRow("app.Piece", 1, 1, 40, 4000), ObjectRow("app.Whole", 1, 1, 1, 100)])
    assert [found.kind for found in grown.largest(5)] == ["app.Whole", "app.Piece"]


def test_growing_types_take_bounded_memory(monkeypatch):
    monkeypatch.setattr(grown_types, "MOST_PATHS", 20)
    monkeypatch.setattr(grown_types, "_MOST_PAIRS", 50)
    grown = GrownTypes()
    for number in range(200):
        for _ in range(2):
            grown.add(f"request {number}", [ObjectRow(f"app.T{number}{extra}", 1, 1, 1, 1) for extra in range(10)])
    paths, sums = grown._unpacked()
    assert (len(paths), len(sums)) == (20, 50)


# -- planted leaks, in a program of their own ------------------------------------------------------------------------

PROGRAM = """
    import gc, sys, fwmemtrace
    from fwmemtrace import phase

    class InList: pass
    class InClosure: pass
    class InCycle:
        def __del__(self): pass

    HISTORY = []

    def make():
        kept = []
        def handler():
            kept.append(InClosure())
        return handler

    handler = make()

    @phase("request")
    def request():
        HISTORY.append(InList())
        handler()
        one, two = InCycle(), InCycle()
        one.peer, two.peer = two, one

    from fwmemtrace.probes.objects import probe
    probe._HOLDER_LIMIT_NS = 10**18
    gc.disable()  # the cycles stay
    with fwmemtrace.session(sys.argv[1], sink="jsonl", probes=["objects"], interval=0, detail_share=1, holders=4):
        for _ in range(10):
            request()
"""


@pytest.fixture(scope="module")
def leaks(tmp_path_factory):
    target = tmp_path_factory.mktemp("leaks") / "trace.jsonl"
    subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM), str(target)], check=True, timeout=600)
    found = [msgspec.json.decode(line) for line in target.read_bytes().splitlines()]
    return {record["type"]: record for record in found if record["record"] == "ObjectHolder"}


@pytest.mark.slow
def test_each_planted_leak_gets_its_chain(leaks):
    def links(name):
        return [step[1] if isinstance(step, list) else step["link"] for step in leaks[f"__main__.{name}"]["chain"]]

    assert leaks["__main__.InList"]["root"] == leaks["__main__.InClosure"]["root"] == "module"
    assert links("InList")[:2] == ["", ".HISTORY"]
    assert links("InClosure")[:3] == ["", ".handler", " variable kept"]
    assert re.fullmatch(r"\[\d\]", links("InList")[2])
    assert re.fullmatch(r"\[\d\]", links("InClosure")[3])
    assert leaks["__main__.InCycle"]["root"] == "cycle"
    assert links("InCycle") == ["", ".peer", ".peer"]
    assert "__del__" in leaks["__main__.InCycle"]["note"]
    assert leaks["__main__.InCycle"]["delta_count"] == 18
    assert {leak["path"] for leak in leaks.values()} == {"request"}


AT_DEFAULTS = """
    import gc, sys, fwmemtrace
    from fwmemtrace import phase

    class Node: pass
    class Job:
        def __init__(self):
            self.done = self.finish
        def finish(self): pass

    CACHE, RESPONSES = {}, {}

    from fwmemtrace.probes.objects import probe
    probe._HOLDER_LIMIT_NS = probe._SPACED_NS = 10**18  # however slow the machine is
    with fwmemtrace.session(sys.argv[1], sink="jsonl", probes=["objects"], interval=0):
        for number in range(200):
            with phase("held"):
                last = Node()
                last.self = last
                CACHE[number] = [last]
            with phase("answer"):
                RESPONSES[f"/user/{number}"] = b"%d" % number * 20_000
            with phase("cycle"):
                Job()
"""


@pytest.fixture(scope="module")
def at_defaults(tmp_path_factory):
    target = tmp_path_factory.mktemp("defaults") / "trace.jsonl"
    subprocess.run([sys.executable, "-c", textwrap.dedent(AT_DEFAULTS), str(target)], check=True, timeout=600)
    return [msgspec.json.decode(line) for line in target.read_bytes().splitlines()]


def holders_of(records):
    return {
        record["type"]: (
            record["root"],
            [step[1] if isinstance(step, list) else step["link"] for step in record["chain"]],
        )
        for record in records
        if record["record"] == "ObjectHolder"
    }


@pytest.mark.slow
def test_the_holder_is_the_cache_and_not_a_variable(at_defaults):
    root, links = holders_of(at_defaults)["__main__.Node"]
    assert (root, links) == ("module", ["", ".CACHE", "[a int]", "[0]"])


@pytest.mark.slow
def test_a_dict_that_the_collector_does_not_track_is_a_holder(at_defaults):
    assert holders_of(at_defaults)["builtins.bytes"] == ("module", ["", ".RESPONSES", "[a str]"])


def test_a_cycle_is_still_there_when_the_session_ends(at_defaults):
    assert holders_of(at_defaults)["__main__.Job"][0] == "cycle"


def test_the_calls_that_are_looked_at_are_spaced(at_defaults):
    names = {record["span"]: record["name"] for record in at_defaults if record["record"] == "PhaseBegin"}
    calls = Counter()
    looked_at = {record["span"] for record in at_defaults if record["record"] == "ObjectCensus"}
    seen = set()
    for span, name in names.items():
        calls[name] += 1
        if span in looked_at:
            seen.add((name, calls[name]))
    for name in ("held", "answer", "cycle"):
        assert {(name, 2**power) for power in range(5)} <= seen


VIEWS = """
    import sys, numpy, fwmemtrace
    from fwmemtrace import phase

    CACHE = {}

    with fwmemtrace.session(sys.argv[1], sink="jsonl", probes=["objects"], interval=0):
        for number in range(60):
            with phase("request"):
                frame = numpy.ones(50_000)
                CACHE[number] = frame[:16]
                del frame
"""


@pytest.mark.slow
def test_a_view_holds_its_base(tmp_path):
    pytest.importorskip("numpy")
    target = tmp_path / "trace.jsonl"
    subprocess.run([sys.executable, "-c", textwrap.dedent(VIEWS), str(target)], check=True, timeout=600)
    records = [msgspec.json.decode(line) for line in target.read_bytes().splitlines()]
    assert holders_of(records)["numpy.ndarray"] == ("module", ["", ".CACHE", "[a int]", ".base"])
    [*_, last] = [record for record in records if record["record"] == "ObjectCensus"]
    rows = {row[0] if isinstance(row, list) else row["type"]: row for row in last["top"]}
    row = rows["numpy.ndarray"]
    added = row[4] if isinstance(row, list) else row["delta_bytes"]
    assert 400_000 <= added <= 410_000


# -- in words and as a graph -----------------------------------------------------------------------------------------


def holder(root, *steps, note=""):
    fold = HoldersFold()
    fold.add(ObjectHolder("app.T", 3, 3, "p", root, [HolderStep(*step) for step in steps], note), "")
    return fold.result()[0]


def test_a_chain_in_words():
    list_of_things = [("builtins.module", "", "app"), ("builtins.list", ".SEEN"), ("app.T", "[9]")]
    assert words_of("module", *list_of_things) == "app.T is held by module app: .SEEN (list), [9] (app.T)"
    circle = words_of("cycle", ("app.T", ""), ("app.T", ".peer"), note="app.T has a __del__")
    assert "reference cycle" in circle
    assert circle.endswith(".peer (app.T) (app.T has a __del__)")
    assert "local variable" in words_of("unseen", ("app.T", ""))
    assert words_of("", ("app.T", ""), note="given up") == "No reference to app.T was found (given up)"


def words_of(root, *steps, note=""):
    return plain(holder_words(holder(root, *steps, note=note)))


def test_chains_as_a_graph():
    graph = dot(
        [
            holder("module", ("builtins.module", "", "app"), ("app.T", '["x"]')),
            holder("cycle", ("app.T", ""), ("app.T", ".a")),
        ]
    )
    assert graph.startswith("digraph holders {")
    assert 'n0_0 -> n0_1 [label="[\\"x\\"]"];' in graph
    assert 'n1_0 -> n1_0 [label=".a"];' in graph
    assert graph.count("{") == graph.count("}")


@pytest.mark.slow
def test_the_chains_are_exported_as_a_graph(tmp_path, monkeypatch):
    from fwmemtrace import plugins
    from fwmemtrace.errors import TraceFileError

    monkeypatch.setattr("fwmemtrace.probes.objects.probe._HOLDER_LIMIT_NS", NO_LIMIT)
    kept = []
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["objects"], interval=0, detail_share=1.0, holders=1):
        for _ in range(6):
            with fwmemtrace.phase("request"):
                kept.extend(Thing() for _ in range(50))
    exporter = plugins.load("fwmemtrace.exporters", "dot")()
    exporter.export(fwmemtrace.read(tmp_path / "trace.bin"), tmp_path / "holders.dot")
    graph = (tmp_path / "holders.dot").read_text()
    assert graph.startswith("digraph")
    assert f"{__name__}.Thing" in graph
    with fwmemtrace.session(tmp_path / "other.bin", interval=0):
        pass
    with pytest.raises(TraceFileError, match="no chain of references"):
        exporter.export(fwmemtrace.read(tmp_path / "other.bin"), tmp_path / "other.dot")


def test_a_search_for_examples_ends_in_time():
    reads = []

    def clock() -> int:
        reads.append(None)
        return len(reads)

    assert examples("builtins.no_such_type", 100, limit_ns=10, clock=clock) == []
    assert len(reads) < 20
