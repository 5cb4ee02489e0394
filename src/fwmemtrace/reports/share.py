"""A report for others: the same figures without what they need not know about the program's machine and users."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection
from itertools import pairwise
from typing import Any

import msgspec

from .. import results
from ..paths import write
from ..redaction import Redactor

HIDDEN = "[hidden]"

# Folders at the root of a file system, which tell files from routes in the names of phases.
_ROOTS = (
    "app|bin|boot|builds?|code|content|data|dev|etc|github|home|lib(?:32|64)?|media|mnt|nix|opt|private|proc|project|root|run|"
    "sbin|scratch|snap|src|srv|sys|tmp|usr|Users|var|Volumes|work(?:dir|space)?"
)
_FILE = re.compile(rf"(?<![\w.:/\\-])/(?:{_ROOTS})/[^\s\"'<>|:,;()\[\]]+")
_ANY_FILE = re.compile(r"(?<![\w.:/\\-])/[^\s\"'<>|:,;()\[\]/]+/[^\s\"'<>|:,;()\[\]]+")
_FILE_ON_WINDOWS = re.compile(r"(?<!\w)[A-Za-z]:[\\/]{1,2}[^\s\"'<>|:,;()\[\]]+|\\\\[\w.$-]+\\[^\s\"'<>|:,;()\[\]]+")
_ABSOLUTE = re.compile(r"(?:/|[A-Za-z]:[\\/]|\\\\).*", re.S)
_INSIDE = re.compile(r".*[\\/](?:site-packages|dist-packages|lib[\\/]python3\.\d+t?)[\\/]", re.S)
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,30}://)[^\s/\\?#\"'<>]+")
_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:])"
)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")


def shareable(report: results.TraceReport) -> results.TraceReport:
    """Return a report without attributes, labels, hosts, users, absolute paths and arguments of the program."""
    change = _Change(report)
    shared: results.TraceReport = change.applied_to(report)
    for phase in shared.phases:
        phase.attributes = {}
        phase.attribute_calls = {}
    for process in shared.trace.processes:
        process.command = _program(process.command)
        process.labels = {}
        process.instance = ""
        if process.cgroup is not None and process.cgroup.limit_group is not None:
            process.cgroup.limit_group = HIDDEN
    if shared.summary is not None:
        for run in shared.summary.next_runs:
            run.command = []
    return shared


def shareable_details(report: results.TraceReport, details: results.Details) -> results.Details:
    """Return details without absolute paths, hosts, users and source code.

    Args:
        report: the report that the details are of, as it was before `shareable`.
        details: the details.
    """
    shared: results.Details = _Change(report).applied_to(details)
    shared.sources = []
    return shared


def _program(command: list[str]) -> list[str]:
    """Return a command up to the program: the interpreter, its options, and a script or module."""
    kept = command[:1]
    for before, word in pairwise(command):
        if before == "-c":
            break
        kept.append(word)
        if not word.startswith("-") and before not in ("-X", "-W"):
            break
    return kept


class _Change:
    """Changes all texts of a report. Phases that differ still do so afterwards."""

    def __init__(self, report: results.TraceReport) -> None:
        self._redactor = Redactor()
        host = platform.node()
        self._host = re.compile(rf"(?<![\w.-]){re.escape(host)}(?![\w-])") if len(host) > 3 else None
        self._known: dict[str, str] = {}
        names: dict[str, str] = {}
        for phase in report.phases:
            for name in phase.names:
                if name not in names:
                    names[name] = _unlike(self._without_places(name, _FILE), names.values())
            self._known[phase.path] = write([names[name] for name in phase.names])

    def applied_to(self, value: Any) -> Any:
        """Return a result with every text in it changed, keys of dicts too."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, msgspec.Struct):
            fields = {name: self.applied_to(getattr(value, name)) for name in value.__struct_fields__}
            return type(value)(**fields)
        if isinstance(value, dict):
            return {self.applied_to(key): self.applied_to(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.applied_to(each) for each in value)
        return value

    def _text(self, text: str) -> str:
        changed = self._known.get(text)
        if changed is None:
            is_path = _ABSOLUTE.fullmatch(text) is not None and "\n" not in text
            changed = self._known[text] = _tail(text) if is_path else self._without_places(text, _ANY_FILE)
        return changed

    def _without_places(self, text: str, files: re.Pattern[str]) -> str:
        text = _without_places(self._redactor.text(text), files)
        return text if self._host is None else self._host.sub(HIDDEN, text)


def _unlike(text: str, others: Collection[str]) -> str:
    """Return a text that none of the others equals."""
    changed, number = text, 1
    while changed in others:
        number += 1
        changed = f"{text} ({number})"
    return changed


def _without_places(text: str, files: re.Pattern[str]) -> str:
    text = _URL.sub(rf"\g<1>{HIDDEN}", text)
    text = files.sub(lambda found: _tail(found[0]), text)
    text = _FILE_ON_WINDOWS.sub(lambda found: _tail(found[0]), text)
    text = _MAIL.sub(HIDDEN, text)
    return _ADDRESS.sub(HIDDEN, text)


def _tail(path: str) -> str:
    """Return what is inside a package's folder, or else the last name of a path."""
    inside = _INSIDE.sub("", path)
    if inside != path:
        return inside
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or HIDDEN
