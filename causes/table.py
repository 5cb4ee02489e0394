"""Results for the documentation: a JSON file with the verdicts of each kind of run, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from causes.judge import TOLERANCE, Verdict
from fwmemtrace.units import format_bytes

Verdicts = dict[str, dict[str, Verdict]]  # by kind of run ("first run", "deep"), then by folder and name


def load(path: Path) -> Verdicts:
    """The verdicts that were saved; none if there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Verdicts) if path.exists() else {}


def save(path: Path, kind: str, verdicts: Iterable[Verdict]) -> None:
    """Write the verdicts of a kind of run to the file, in place of those of the same programs."""
    kept = load(path)
    rows = kept.setdefault(kind, {})
    rows |= {_key(verdict): verdict for verdict in verdicts}
    kept[kind] = dict(sorted(rows.items()))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")


def _key(verdict: Verdict) -> str:
    return f"{'controls' if verdict.is_control else 'planted'}/{verdict.name}"


def markdown(kind: str, verdicts: Sequence[Verdict]) -> str:
    """The tables of one kind of run, with the score above each."""
    planted = [verdict for verdict in verdicts if not verdict.is_control]
    controls = [verdict for verdict in verdicts if verdict.is_control]
    parts = []
    if planted:
        ran = [verdict for verdict in planted if not verdict.skipped]
        named = sum(verdict.named_first for verdict in ran)
        right = sum(verdict.right for verdict in ran)
        parts.append(
            f"On the {kind}, {named} of {len(ran)} causes are named first, {right} of them with bytes "
            f"within {TOLERANCE:.0%} of the truth.\n\n"
            "| program | cause | truth | report | named first | bytes | first sentence |\n"
            "| --- | --- | --: | --: | --- | --- | --- |\n" + "".join(map(_planted, planted))
        )
        misses = [verdict for verdict in ran if not verdict.right]
        if misses:
            parts.append("What the reports of the others have:\n\n" + "".join(map(_miss, misses)))
    if controls:
        ran = [verdict for verdict in controls if not verdict.skipped]
        parts.append(
            f"On the {kind}, {sum(verdict.right for verdict in ran)} of {len(ran)} controls have no verdict.\n\n"
            "| control | verdicts |\n| --- | --- |\n" + "".join(map(_control, controls))
        )
    return "\n".join(parts)


def _planted(verdict: Verdict) -> str:
    if verdict.skipped:
        return _row(f"`{verdict.name}`", verdict.kind, "", "", "skipped", "", verdict.skipped)
    said = "" if verdict.said_bytes is None else format_bytes(verdict.said_bytes)
    return _row(
        f"`{verdict.name}`",
        verdict.kind,
        format_bytes(verdict.truth_bytes or 0),
        said,
        "yes" if verdict.named_first else "no",
        "right" if verdict.bytes_right else "wrong" if said else "",
        next(iter(verdict.first_sentences), ""),
    )


def _miss(verdict: Verdict) -> str:
    where = "in no sentence" if verdict.sentence is None else f"in sentence {verdict.sentence}"
    return f"- `{verdict.name}`: {'; '.join([where, *verdict.elsewhere])}\n"


def _control(verdict: Verdict) -> str:
    said = f"skipped: {verdict.skipped}" if verdict.skipped else "; ".join(verdict.complaints) or "none"
    return _row(f"`{verdict.name}`", said)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
