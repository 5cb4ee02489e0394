"""Asks all questions, and writes the answers as text, markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..reports.blocks import Block, Bytes, Code, Column, Count, Document, Duration, Prose, Section, Sentence, Table
from .engines import Fleet
from .questions import QUESTIONS, Question

FORMAT, VERSION = "fwmemtrace-fleet", 1


class Answer(NamedTuple):
    """The answer to a question; no rows if nothing in the dataset can answer it."""

    question: Question
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def ask(fleet: Fleet, questions: Iterable[Question] = QUESTIONS) -> list[Answer]:
    """Ask the questions.

    Args:
        fleet: the tables.
        questions: all by default.
    """
    answers = []
    for question in questions:
        asked = question.ask(fleet)
        if asked is None:
            answers.append(Answer(question, [], []))
        else:
            table = asked.to_pyarrow()
            answers.append(Answer(question, table.column_names, [list(row.values()) for row in table.to_pylist()]))
    return answers


def as_json(answers: Iterable[Answer]) -> str:
    """Return the answers as JSON: sizes in bytes, one list of objects for each question."""
    found = {
        answer.question.name: [dict(zip(answer.columns, row, strict=True)) for row in answer.rows] for answer in answers
    }
    return json.dumps({"format": FORMAT, "version": VERSION, **found}, indent=2, default=str)


def document_of(answers: Iterable[Answer]) -> Document:
    """Return the answers as a document, which every format can write."""
    sections = [Section(f"fleet-{answer.question.name}", answer.question.title, [_table(answer)]) for answer in answers]
    return Document("Memory of the fleet", sections)


def _table(answer: Answer) -> Block:
    if not answer.rows:
        return Prose("none", [["Nothing to show."]])
    columns = [
        Column(_heading(name), "right" if _is_figure(row) else "left")
        for name, row in zip(answer.columns, answer.rows[0], strict=True)
    ]
    cells = [[_cell(name, value) for name, value in zip(answer.columns, row, strict=True)] for row in answer.rows]
    return Table("answer", columns, cells)


def _heading(column: str) -> str:
    return column.removesuffix("_bytes").replace("_bytes_", " ").replace("_", " ")


def _is_figure(value: Any) -> bool:
    return isinstance(value, (int, float))


def _cell(column: str, value: Any) -> Sentence:
    if value is None:
        return ""
    if "bytes" in column:
        return Bytes(value)
    if column == "hours_left":
        return Duration(max(value, 0.0) * 3.6e12)
    return Count(value) if _is_figure(value) else Code(str(value))
