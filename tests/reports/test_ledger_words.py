"""Every category of the ledger has its words, and the keys of the JSON report stay what they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fwmemtrace.analysis import rss_breakdown as ledger
from fwmemtrace.reports.blocks import plain
from fwmemtrace.reports.ledger_words import category_words, ledger_words

CATEGORIES = [
    ledger.FILE,
    ledger.MODEL_FILE,
    ledger.SHARED_MEMORY,
    ledger.TRACER,
    ledger.NATIVE_HEAP,
    ledger.PYTHON_HEAP,
    ledger.ALLOCATOR_FREE,
    ledger.STACKS,
    ledger.NAMED,
    ledger.COUNTER,
]


def test_the_keys_stay() -> None:
    assert [
        *("file", "model file", "shared memory", "tracer", "native heap", "python heap", "allocator free"),
        *("thread stacks", "named memory", "kernel counter"),
    ] == CATEGORIES


@pytest.mark.parametrize(
    ("category", "owner", "words"),
    [
        ("file", "torch", "file-backed: torch"),
        ("model file", "model.safetensors", "model weights: model.safetensors"),
        ("native heap", "malloc", "malloc: in use"),
        ("native heap", "libtorch_cpu.so", "native heap: libtorch_cpu.so"),
        ("allocator free", "malloc", "malloc: freed, not returned to the OS"),
        ("allocator free", "jemalloc", "jemalloc: freed, not returned to the OS"),
        ("allocator free", "Python's arenas", "Python heap: free in arenas"),
        ("tracer", "trace.bin.memray", "profiler overhead: trace.bin.memray"),
        ("a new one", "x", "a new one: x"),
        ("shared memory", "", "shared memory"),
    ],
)
def test_words(category: str, owner: str, words: str) -> None:
    assert plain(ledger_words(category, owner)) == words


@pytest.mark.parametrize(
    ("category", "words"),
    [
        ("file", "file-backed"),
        ("tracer", "profiler overhead"),
        ("kernel counter", "RSS counter less smaps"),
        ("a new one", "a new one"),
    ],
)
def test_a_category_by_itself(category: str, words: str) -> None:
    assert category_words(category) == words


def test_every_documented_category_has_its_words() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
    table = page.partition("| category |")[2].partition("\n\n")[0]
    documented = dict(re.findall(r"^\| `([\w ]+)` \| ([^|]+) \|", table, re.MULTILINE))
    assert set(CATEGORIES) <= set(documented)
    assert [words for category, words in documented.items() if category_words(category) not in words] == []
