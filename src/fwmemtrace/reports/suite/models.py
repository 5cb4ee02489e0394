"""The models of a suite's components, and what each way to run them takes and gives."""

from __future__ import annotations

from collections.abc import Iterator

from ...results.suite import SuiteModel, SuiteModelWay
from ..blocks import Block, Bytes, Code, Column, Count, Duration, Listing, Prose, Section, Sentence, Table, counted

_MEANS = (
    "Each row is a fresh process with the model alone, on calls that the component made; held includes the libraries "
    "that the process imports. difference is the largest between two outputs, cosine the smallest similarity."
)


def models_sections(models: list[SuiteModel]) -> Iterator[Section]:
    """Yields the sections of all models."""
    if models:
        yield Section("models", "Models", [Prose("models", [_MEANS])])
    for number, model in enumerate(models):
        about: Sentence = [
            Code(model.component),
            ": ",
            Count(model.parameters),
            f" parameters, {model.dtype}, ",
            Bytes(model.bytes),
            "; ",
            *counted(model.calls, "call"),
            ".",
        ]
        columns = [
            Column("way"),
            *(Column(head, "right") for head in ("held", "peak", "per call", "difference", "cosine")),
        ]
        works = [way for way in model.ways if not way.problem]
        blocks: list[Block] = [Prose("model", [about]), Table("ways", columns, [_row(way) for way in works])]
        failed: list[Sentence] = [[way.way, f": {way.problem}"] for way in model.ways if way.problem]
        if failed:
            blocks.append(Listing("problems", failed, ordered=False))
        yield Section(f"model-{number}", Code(model.name), blocks, level=3)


def _row(way: SuiteModelWay) -> list[Sentence]:
    return [
        way.way,
        Bytes(way.held_bytes),
        Bytes(way.peak_bytes),
        Duration(way.call_ns),
        f"{way.largest_difference:.2g}",
        f"{way.cosine:.4f}",
    ]
