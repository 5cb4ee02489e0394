"""The outcome of `check`: as text, JSON, JUnit's XML, or annotations and a summary for GitHub Actions."""

from __future__ import annotations

import os
from collections.abc import Callable
from xml.etree import ElementTree

from ..results.check import BudgetCheck, CheckReport, Contributor
from .blocks import Bytes, Code, Column, Document, Inline, Section, Sentence, Table, plain
from .json import write_json
from .ledger_words import ledger_words
from .markdown import write_markdown
from .sites import short

_RED, _GREEN, _RESET = "\x1b[1;31m", "\x1b[32m", "\x1b[0m"


def check_text(report: CheckReport, *, colour: bool = False) -> str:
    """Returns a line for each exceeded limit with what holds most below it, or that all is well."""
    red, green, reset = (_RED, _GREEN, _RESET) if colour else ("", "", "")
    lines = []
    for check in report.checks:
        if check.exceeded:
            lines.append(f"{red}{message(check)}{reset}")
            width = max((len(plain(Bytes(one.bytes))) for one in check.contributors), default=0)
            lines += [f"  {contributor_words(one, width)}" for one in check.contributors]
    return "\n".join([*lines, *([] if report.exceeded else [f"{green}OK: within limits{reset}"]), ""])


def check_json(report: CheckReport) -> str:
    """Returns all checks as JSON; see `results.check`."""
    return write_json(report)


def check_junit(report: CheckReport) -> str:
    """Returns all checks as test cases in JUnit's XML."""
    failed = sum(check.exceeded for check in report.checks)
    counts = {"tests": str(len(report.checks)), "failures": str(failed), "errors": "0"}
    suites = ElementTree.Element("testsuites", {"name": "fwmemtrace check", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": plain([Code(report.trace)]), **counts})
    for check in report.checks:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": f"fwmemtrace.{check.kind}", "name": f"{_subject(check)}: {check.metric}"}
        )
        if check.exceeded:
            failure = ElementTree.SubElement(case, "failure", {"type": "budget", "message": message(check)})
            failure.text = "\n".join(map(contributor_words, check.contributors))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def check_github(report: CheckReport) -> str:
    """Returns an `::error` command for each exceeded limit, at the line of code that holds most of it.

    Its syntax is that of "Workflow commands for GitHub Actions".
    """
    lines = []
    for check in report.checks:
        if check.exceeded:
            words = "\n".join([message(check), *map(contributor_words, check.contributors)])
            place = "".join(f"{name}={_property(value)}," for name, value in _place(check))
            lines.append(f"::error {place}title={_property('Memory budget exceeded')}::{_data(words)}")
    return "\n".join([*lines, *([] if report.exceeded else ["OK: within limits"]), ""])


def github_summary(report: CheckReport) -> str:
    """Returns all checks as markdown, for the file that GITHUB_STEP_SUMMARY names."""
    columns = [Column(""), Column("figure"), Column("actual", "right"), Column("limit", "right"), Column("holds most")]
    rows: list[list[Sentence]] = []
    for check in report.checks:
        holds = ", ".join(map(contributor_words, check.contributors))
        outcome = "exceeded" if check.exceeded else "OK"
        figure = f"{_subject(check)}: {check.metric}"
        rows.append([outcome, figure, Bytes(check.actual_bytes), Bytes(check.limit_bytes), holds])
    title = "Memory budgets exceeded" if report.exceeded else "Memory within budgets"
    return write_markdown(Document(title, [Section("checks", "", [Table("checks", columns, rows)])]))


OUTPUT_FORMATS: dict[str, Callable[[CheckReport], str]] = {
    "text": check_text,
    "json": check_json,
    "junit": check_junit,
    "github": check_github,
}


def message(check: BudgetCheck) -> str:
    """Returns what is exceeded, by how much, and where its limit was given."""
    over = Bytes(check.actual_bytes - check.limit_bytes)
    words: list[Inline]
    if check.kind == "baseline":
        words = [
            *(_subject(check), ": ", Bytes(check.actual_bytes), ", ", over, " more than "),
            *(Bytes(check.limit_bytes), " in the baseline (", Code(check.source), ")"),
        ]
    else:
        words = [
            *(_subject(check), f": {check.metric} ", Bytes(check.actual_bytes), " exceeds "),
            *(Bytes(check.limit_bytes), " by ", over, " (", Code(check.source), ")"),
        ]
    return plain(words)


def contributor_words(contributor: Contributor, width: int = 0) -> str:
    """Returns how much a line of code or a kind of memory holds; the figure takes at least `width` characters."""
    size = f"{plain(Bytes(contributor.bytes)):>{width}} "
    if contributor.location is not None:
        frame = contributor.location
        return size + plain(Code(f"{frame.function} {short(frame.file)}:{frame.line}".strip()))
    return size + plain(ledger_words(contributor.category, contributor.owner))


def _subject(check: BudgetCheck) -> str:
    process = "service" if check.kind == "service" else f"process {check.pid}"
    if not check.path:
        return process
    return plain(["phase ", Code(check.path), f" ({process})"])


def _place(check: BudgetCheck) -> list[tuple[str, str]]:
    """Return the file and line that an annotation is shown at, relative to the checkout."""
    frames = [one.location for one in check.contributors if one.location is not None]
    places = [(frame.file, frame.line) for frame in frames]
    if check.source_file:
        places.append((check.source_file, check.source_line))
    for file, line in places:
        relative = os.path.relpath(file) if os.path.isabs(file) else file
        if not relative.startswith(("..", "<")):
            return [("file", relative), *([("line", str(line))] if line else [])]
    return []


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(plain([Code(text)])).replace(":", "%3A").replace(",", "%2C")
