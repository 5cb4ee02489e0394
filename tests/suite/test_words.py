"""The words of levers and facts: there are some for each kind, and each size has its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from fwmemtrace.reports.blocks import plain
from fwmemtrace.reports.suite.words import _ACTIONS, _FACTS, fact_words, fill_texts, lever_words
from fwmemtrace.results.suite import Action, FactKind, Suite, SuiteFact, SuiteLever

MB = 1_000_000

# The figures of each kind, as docs/suite.md has them, and its words.
FACTS = {
    "unused import": (
        {"names": ["scipy"], "counts": [5, 1], "bytes": [MB]},
        "unused by init and 5 requests; its 1 module adds 1.0 MB",
    ),
    "imported by": ({"names": ["a", "b", "c", "d", "e"]}, "imported by b > c > d > e"),
    "brings with it": ({"names": ["a", "b", "c", "d", "e", "f"]}, "brings with it a, b, c, d and 2 more"),
    "used elsewhere": ({"names": ["guard"]}, "saves nothing in one process with guard, where it is used"),
    "imported elsewhere": ({"names": ["a", "b"]}, "also imported by a and b: in one process, all of them must drop it"),
    "deferred": ({"counts": [1]}, "never loaded in 1 fresh interpreter that deferred the import"),
    "loaded anyway": ({"names": ["init"]}, "deferring it is not enough: names are imported from it in init"),
    "deferring failed": ({"names": ["KeyError: 'x'"]}, "deferring it broke the component: KeyError: 'x'"),
    "held alone": ({"names": ["guard"], "bytes": [MB]}, "guard holds 1.0 MB for it in a process of its own"),
    "weights": (
        {"names": ["float32"], "counts": [10], "bytes": [4 * MB, MB]},
        "10 storages of float32 parameters hold 4.0 MB, 1.0 MB of it private",
    ),
    "clean weights": ({"bytes": [3 * MB]}, "3.0 MB of clean file pages are left out"),
    "element size": ({"bytes": [2, 4]}, "2 B per element instead of 4 B"),
    "equal tensors": ({"counts": [1]}, "1 tensor is held more than once"),
    "equal tensor": (
        {"names": ["torch", "float32", "Linear.weight"], "counts": [2, 100, 50], "bytes": [20_000]},
        "2 copies of torch float32 of shape 100x50, 20.0 kB each (Linear.weight)",
    ),
    "trimmed": ({"bytes": [MB]}, "trimming malloc after the requests returned 1.0 MB"),
    "taken again": ({"bytes": [MB]}, "the next requests took back 1.0 MB"),
    "growing": ({"counts": [300], "bytes": [50_000]}, "RSS grows by 50.0 kB per request over 300 requests"),
    "grew and stopped": ({"counts": [300], "bytes": [MB]}, "RSS grew by 1.0 MB over 300 requests and levelled off"),
    "python heap growth": ({"bytes": [MB]}, "the Python heap grew by 1.0 MB over the same requests"),
    "python heap line": (
        {"names": ["x.py:3"], "counts": [1], "bytes": [MB]},
        "most of it at x.py:3: 1.0 MB in 1 block",
    ),
    "before": ({"counts": [2], "bytes": [1_100_000, 1_200_000]}, "before: 1.1 to 1.2 MB in 2 runs"),
    "after": ({"counts": [1], "bytes": [MB]}, "after: 1.0 MB"),
    "ledger line": ({"names": ["model file", "x.bin"], "bytes": [-MB]}, "model weights: x.bin -1.0 MB"),
    "ledger total": ({"bytes": [MB]}, "ledger total +1.0 MB"),
    "unevictable": ({"bytes": [-MB]}, "memory that the kernel cannot evict -1.0 MB"),
    "peak": ({"bytes": [-MB]}, "peak -1.0 MB"),
    "service peak": ({"bytes": [MB]}, "peak of the service +1.0 MB"),
    "model alone": (
        {"names": ["Bert"], "bytes": [4 * MB, MB]},
        "alone in a process, Bert holds 4.0 MB as it is and 1.0 MB so",
    ),
    "outputs agree": (
        {"names": ["0.01", "0.999"], "counts": [4]},
        "the outputs of 4 calls differ by up to 0.01, cosine 0.999",
    ),
    "call time": ({"counts": [2_000_000, 1_000_000]}, "a call takes 1.0 ms instead of 2.0 ms"),
    "forked": (
        {"counts": [4], "bytes": [20 * MB, 5 * MB]},
        "a forked worker has 20.0 MB of its own after its requests, 5.0 MB so; each of 4 workers saves that",
    ),
    "stands in": ({}, "measured with the model and its tokenizer, without the component's other code"),
    "unbounded cache": ({"names": ["service.look_up: 60 entries"]}, "without a bound: service.look_up: 60 entries"),
    "answers equal": ({"counts": [4]}, "the answers to 4 requests are equal"),
    "answers differ": (
        {"names": ["0.01", "0.999"], "counts": [1, 4]},
        "1 of 4 answers differ, by up to 0.01, cosine 0.999",
    ),
    "own line": ({"names": ["/srv/app/x.py:3", "import scipy"]}, "import scipy at app/x.py:3"),
    "moves into": ({"names": ["Guard.load:12"]}, "used only in Guard.load"),
    "not used there": ({}, "nothing in that file uses it"),
    "service spread": ({"bytes": [MB]}, "in the service, below the 1.0 MB by which its runs differ"),
}

ACTIONS = {
    "remove import": ("scipy", "Remove the scipy import"),
    "narrow weights": ("float16", "Store the weights as float16"),
    "share equal tensors": ("", "Keep one copy of equal tensors"),
    "freeze objects": ("", "Call gc.freeze() before forking workers"),
    "trim allocator": ("malloc", "Trim malloc after the requests"),
    "set variable": ("MALLOC_ARENA_MAX=1", "Set MALLOC_ARENA_MAX=1"),
    "limit growth": ("x.py:3", "Limit what grows at x.py:3"),
    "limit size": ("x.py:3", "Limit the cache size at x.py:3"),
    "use variant": ("half", "Use the variant half"),
    "move import": ("/srv/app/x.py:3", "Move the import at app/x.py:3"),
    "run model": ("Bert: float16 file", "Run the model Bert as float16 file"),
    "bound dict": ("guard.CACHE", "Bound the dict guard.CACHE, here to 16 new entries"),
    "set option": ("padding", "Pad to the longest text instead of to a fixed length"),
}


def lever(action="use variant", subject="half", component="guard", evidence=()):
    return SuiteLever(
        component=component,
        action=action,
        subject=subject,
        lever="",
        kind="variant",
        now_bytes=0,
        saves_low_bytes=0,
        saves_high_bytes=0,
        after_bytes=0,
        basis="measured",
        phase="init",
        evidence=list(evidence),
    )


def test_every_kind_and_action_has_words():
    assert set(FACTS) == set(_FACTS) == set(get_args(FactKind))
    assert set(ACTIONS) == set(_ACTIONS) == set(get_args(Action))


@pytest.mark.parametrize("kind", FACTS)
def test_the_words_of_a_fact_have_all_its_sizes_in_order(kind):
    figures, words = FACTS[kind]
    fact = SuiteFact(kind=kind, text="", **figures)
    assert plain(fact_words(fact)) == words
    suite = Suite(
        file="s.py",
        repeat=1,
        bare_bytes=0,
        memory_limit_bytes=0,
        limited_by="",
        components=[],
        matrix=[lever(evidence=[fact])],
    )
    (filled,) = fill_texts(suite).matrix[0].evidence
    assert filled.text.count("{}") == len(fact.bytes)
    assert fact.text == ""


@pytest.mark.parametrize("action", ACTIONS)
def test_the_words_of_a_lever(action):
    subject, words = ACTIONS[action]
    assert plain(lever_words(lever(action, subject))) == words


def test_an_import_of_the_whole_service():
    words = lever_words(lever("remove import", "scipy", "the service"))
    assert plain(words) == "Remove the scipy import (no component uses it)"


def test_the_documentation_lists_the_figures_of_every_kind():
    page = (Path(__file__).parents[2] / "docs" / "suite.md").read_text()
    rows = re.findall(r"^\| (`[^|]+`) \|([^|]*)\|([^|]*)\|([^|]*)\|$", page.partition("### Evidence")[2], re.MULTILINE)
    listed = {kind: figures for kinds, *figures in rows for kind in re.findall(r"`([^`]+)`", kinds)}
    assert set(listed) == set(FACTS)
    for kind, (figures, _) in FACTS.items():
        assert [bool(cell.strip()) for cell in listed[kind]] == [key in figures for key in ("names", "bytes", "counts")]
