"""Compares a report with the truth: whether its first sentences name the cause, and with how many bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from causes.programs import Program, Run

FIRST = 3  # sentences of the summary that are read first
TOLERANCE = 0.1
_SIZE = re.compile(r"\b(\d[\d,]*(?:\.\d+)?) (B|kB|MB|GB)\b")
_LOCATION = re.compile(r"\S+\.py\S*")  # the programs' names have the words that are looked for
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_GROWTH = re.compile(r"(?i)\b(grow(s|ing|n)?|grew|leak\w*|retain(s|ed)|held by)\b")


class Verdict(msgspec.Struct):
    """What one run said about a program."""

    name: str
    kind: str  # of the planted cause; "" for a control
    first_sentences: list[str]
    sentence: int | None = None  # number of the sentence that names the cause; null if none does
    truth_bytes: int | None = None
    said_bytes: int | None = None  # the size in that sentence that is nearest to the truth
    elsewhere: list[str] = []  # where else in the report the cause is
    complaints: list[str] = []  # of a control: verdicts that it does not deserve
    skipped: str = ""  # why it did not run

    @property
    def is_control(self) -> bool:
        """Whether the program has no cause."""
        return not self.kind

    @property
    def named_first(self) -> bool:
        """Whether one of the first sentences names the cause."""
        return self.sentence is not None and self.sentence <= FIRST

    @property
    def bytes_right(self) -> bool:
        """Whether the size is within the tolerance."""
        if self.said_bytes is None or not self.truth_bytes:
            return False
        return abs(self.said_bytes - self.truth_bytes) <= TOLERANCE * self.truth_bytes

    @property
    def right(self) -> bool:
        """Whether the cause is named with its bytes; of a control, whether nothing is."""
        return not self.complaints if self.is_control else self.named_first and self.bytes_right


def judge(program: Program, run: Run) -> Verdict:
    """Compare one run's report with the truth."""
    sentences = summary_sentences(run.text)
    if not program.planted:
        complaints = list(_complaints(program, run.report, sentences))
        return Verdict(program.name, "", sentences[:FIRST], complaints=complaints)
    truth = truth_of(run)
    names = _names(program, truth["names"])
    naming = [number for number, sentence in enumerate(sentences, 1) if names.search(sentence)]
    words = re.compile(truth["words"], re.IGNORECASE)
    read = " ".join(sentences[: max(FIRST, min(naming, default=0))])
    if not words.search(_LOCATION.sub("", read)):
        naming = []
    verdict = Verdict(program.name, truth["kind"], sentences[:FIRST], truth_bytes=truth["bytes"])
    verdict.elsewhere = list(_elsewhere(program, run.report, names, words if truth["words"] else names))
    if naming:
        verdict.sentence = naming[0]
        sizes = [size for number in naming if number <= max(FIRST, naming[0]) for size in _sizes(sentences[number - 1])]
        verdict.said_bytes = min(sizes, key=lambda size: abs(size - truth["bytes"]), default=None)
    return verdict


def truth_of(run: Run) -> dict[str, Any]:
    """Returns what the program printed with `causes.truth.tell`, in the first of the runs of `--deep`."""
    line = next(line for line in run.output.splitlines() if line.startswith('{"kind"'))
    truth: dict[str, Any] = json.loads(line)
    return truth


def summary_sentences(text: str) -> list[str]:
    """Returns the sentences of a text report's summary."""
    summary = re.split(r"\nPhases(?: \(pid \d+\))?\n", text.partition("Summary\n")[2])[0]
    return [part for part in re.split(r"(?<=\.)\s+(?=[A-Z`\d])", " ".join(summary.split())) if part]


def _names(program: Program, others: list[str]) -> re.Pattern[str]:
    lines = "|".join(map(str, sorted(program.lines_to_blame())))
    location = rf"{re.escape(program.path.name)}:(?:{lines})"
    return re.compile("|".join(rf"(?<!\w){name}(?!\w)" for name in [location, *map(re.escape, others)]))


def _sizes(sentence: str) -> list[int]:
    return [round(float(number.replace(",", "")) * _UNITS[unit]) for number, unit in _SIZE.findall(sentence)]


def _elsewhere(
    program: Program, report: dict[str, Any], names: re.Pattern[str], memory: re.Pattern[str]
) -> Iterator[str]:
    """Figures of the cause in tables, with the rank of the largest row."""
    rises = [row for process in report["rises"] or [] for row in process["stacks"]]
    rises.sort(key=lambda row: -row["bytes"])
    blamed = [(rank, row["bytes"]) for rank, row in enumerate(rises, 1) if _in_cause(program, row["line"])]
    if blamed:
        yield f"rises #{blamed[0][0]}: {sum(size for _, size in blamed) / 1e6:.1f} MB in all"
    packages = sorted(report["import_packages"] or [], key=lambda row: -row["own_bytes"])
    for rank, row in enumerate(packages, 1):
        if names.search(row["package"]):
            yield f"import_packages #{rank}: {row['own_bytes'] / 1e6:.1f} MB"
    largest = [one for one in report["composition"] or [] if one["moment"] == "largest"]
    sizes = [
        item["bytes"]
        for one in largest
        for item in one["items"]
        if memory.search(f"{item['category']} {item['owner']}")
    ]
    if sizes:
        yield f"composition, items that match: {sum(sizes) / 1e6:.1f} MB"


def _in_cause(program: Program, line: dict[str, Any] | None) -> bool:
    if line is None or not line["file"].endswith(f"/{program.path.name}"):
        return False
    return line["line"] in program.lines_to_blame()


def _complaints(program: Program, report: dict[str, Any], sentences: list[str]) -> Iterator[str]:
    """Verdicts that a program without a fault does not deserve."""
    for row in report["growth"] or []:
        if row["verdict"] in ("growing", "saturating"):
            yield f"growth: {row['path']} is {row['verdict']} by {row['metric']}"
    for sentence in sentences:
        if _GROWTH.search(sentence):
            yield sentence
    summary = report.get("summary") or {"causes": [], "peak_bytes": 0}
    for cause in summary["causes"]:
        if cause["kind"] == "code" and cause["bytes"] > summary["peak_bytes"] / 2:
            yield f"summary: {cause['location']} has {cause['bytes'] / 1e6:.1f} MB"
