"""The plan of a suite: what to change in which order, what remains, and what else would reach the budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...analysis.suite.import_levers import SERVICE
from ...results.suite import Spread, SuiteGrower, SuitePlan, SuiteSplit, SuiteStep
from ..blocks import (
    Block,
    Bytes,
    Code,
    Column,
    Count,
    Listing,
    Prose,
    Range,
    Section,
    Sentence,
    Table,
    counted,
    enumerate_words,
    parts,
    plain,
)
from ..ledger_words import ledger_words
from .words import Words, evidence_words, joined, lever_words

_MEASURES = {"rss": "peak RSS", "unevictable": "peak RSS without file pages that the kernel can evict"}
_NOTHING = 1_000_000  # bytes
_CLEARLY_MORE = 0.1  # of what changes save together: less is lost among the differences between runs
_SPLITS = 6
_OWNERS_SHARE = 0.1  # of what remains: a smaller package is not worth a sentence


def plan_sentences(plan: SuitePlan) -> list[Sentence]:
    """Returns whether the budget can be reached and how; the first sentence says it all."""
    limit, service = Bytes(plan.limit_bytes), service_words(plan.failed)
    takes: Words = [" takes ", *_measured(plan.result), "."]
    changes: Words = [*counted(len(plan.steps), "change"), " "]
    if plan.growing and plan.result.high_bytes <= plan.limit_bytes and not plan.failed:
        grows = growth_words(plan.growing, plan.limit_bytes - plan.result.high_bytes)
        return [["With ", *changes, *service, *takes[:-1], ", within the budget of ", limit, ", but ", *grows, "."]]
    if plan.within_budget:
        return [["The budget of ", limit, " is in reach: with ", *changes, *service, *takes]]
    if plan.result.high_bytes <= plan.limit_bytes:
        names = enumerate_words([[Code(name)] for name in plan.failed])
        them = "it" if len(plan.failed) == 1 else "them"
        unknown: Words = [" failed, so it is not known whether the budget of ", limit, " is in reach: with "]
        return [[*names, *unknown, *changes, f"the service without {them}", *takes]]
    if plan.steps:
        best: Words = [
            "the best measured set of ",
            *counted(len(plan.steps), "change"),
            " lowers ",
            *service,
            " from ",
            Bytes(plan.now.median_bytes),
            " to ",
            *_measured(plan.result),
        ]
    else:
        best = ["no measured change lowers the ", Bytes(plan.now.median_bytes), " of ", *service]
    reached = [split for split in plan.splits if split.within_budget]
    words: Words = ["The budget of ", limit, " is out of reach: ", *best]
    if not plan.searched:
        words = ["It is not known whether the budget of ", limit, " is in reach: so far, ", *best]
    if reached:
        words += ["; ", *_split_words(reached[0])]
    return [[*words, "."], *([[*growth_words(plan.growing), "."]] if plan.growing else [])]


def growth_words(growing: Sequence[SuiteGrower], spare: int | None = None) -> Words:
    """Returns which components grow, and how long that leaves the service within its budget.

    Args:
        growing: the components.
        spare: bytes that are left of the budget; None if it is exceeded anyway.
    """
    names: list[Words] = [
        [Code(one.component), " grows by ", Bytes(round(one.bytes_per_request)), " per request"] for one in growing
    ]
    if spare is None:
        return [*enumerate_words(names), ": all figures are those after ", *counted(growing[0].requests, "request")]
    left = int(spare / max(sum(one.bytes_per_request for one in growing), 1))
    return [*enumerate_words(names), ": it exceeds the budget after about ", *counted(left, "more request")]


def service_words(failed: Sequence[str]) -> Words:
    """Returns "the service", and what of it failed."""
    return ["the service", *([" without ", *enumerate_words([[Code(name)] for name in failed])] if failed else [])]


def plan_section(plan: SuitePlan, bare: int = 0) -> Section:
    """Returns the plan; see `plan_sentences`.

    Args:
        plan: the plan.
        bare: RSS of a bare interpreter, in bytes.
    """
    about = [
        *plan_sentences(plan),
        [
            f"Figures are {_MEASURES[plan.measure]} of the whole service in one fresh process, interpreter included",
            ", with the private memory of processes that it starts; " if _with_workers(plan) else "; ",
            *counted(plan.sets_measured, "set"),
            " of changes measured.",
        ],
    ]
    if plan.now_other_bytes is not None and plan.result_other_bytes is not None:
        other = _MEASURES["unevictable" if plan.measure == "rss" else "rss"]
        now, then = Bytes(plan.now_other_bytes), Bytes(plan.result_other_bytes)
        changed: Words = [", ", then, " with all changes"] if plan.steps else []
        about.append([f"In {other}: ", now, " now", *changed, "."])
    blocks: list[Block] = [Prose("plan", about)]
    if plan.steps:
        blocks.append(Listing("steps", list(_steps(plan.steps))))
        if together := _together(plan):
            blocks.append(Prose("together", [together]))
    if plan.pairs:
        blocks.append(
            Listing(
                "pairs",
                [_pair(pair.steps, pair.together_bytes, pair.apart_bytes) for pair in plan.pairs],
                ordered=False,
            )
        )
    # Of components that take nothing by themselves, there is nothing to tell.
    splits = [one for one in plan.splits if one.service.median_bytes < plan.result.median_bytes - _NOTHING]
    if splits:
        blocks.append(_splits(splits[:_SPLITS]))
    blocks += _remains(plan, bare)
    return Section("plan", "Plan", blocks)


def _with_workers(plan: SuitePlan) -> bool:
    return any(row.category == "worker processes" for row in plan.remains)


def _measured(figure: Spread) -> Words:
    words: Words = [Bytes(figure.median_bytes)]
    if figure.runs > 1:
        words += [f" ({figure.runs} runs: ", Range(Bytes(figure.low_bytes), Bytes(figure.high_bytes)), ")"]
    return words


def step_words(step: SuiteStep) -> Words:
    """Returns one change with the component that it is about."""
    about: Words = [] if step.component == SERVICE else [Code(step.component), ": "]
    return [*about, *lever_words(step)]


def _steps(steps: Sequence[SuiteStep]) -> Iterator[Sentence]:
    for step in steps:
        words = step_words(step)
        if step.after_bytes is not None:
            words += [": ", Bytes(step.after_bytes)]
        if step.alone_bytes is not None and len(steps) > 1:
            words += [" (alone it ", *_effect(step.alone_bytes, "saves", "costs"), ")"]
        if facts := evidence_words(step, verbose=True):
            words += ["; ", *facts]
        yield [*words, "."]


def _together(plan: SuitePlan) -> Words:
    """Returns what more than two changes save, if that is more than the sum of what each does; a pair has its words."""
    alone = [step.alone_bytes for step in plan.steps if step.alone_bytes is not None]
    saved, apart = plan.now.median_bytes - plan.result.median_bytes, sum(alone)
    least = max(apart, 0) + max(2 * _NOTHING, _CLEARLY_MORE * saved)
    if len(alone) < len(plan.steps) or len(alone) < 3 or saved < least:
        return []
    one_by_one = [*_effect(apart, "save", "cost"), *([] if abs(apart) < _NOTHING else [" in sum"])]
    return [f"Together these {len(alone)} changes save ", Bytes(saved), "; one at a time, they ", *one_by_one, "."]


def _effect(saved: int, saves: str, costs: str) -> Words:
    """Returns what a change does by itself; less than the allocator decides is nothing."""
    if abs(saved) < _NOTHING:
        return [saves, " nothing"]
    return [saves, " ", Bytes(saved)] if saved > 0 else [costs, " ", Bytes(-saved)]


def _pair(steps: Sequence[SuiteStep], together: int, apart: int) -> Sentence:
    names = joined([step_words(step) for step in steps], "; and ")
    alone = [*_effect(apart, "save", "cost"), *([] if abs(apart) < _NOTHING else [" in sum"])]
    return [
        "Only together: " if apart < together / 2 else "More together: ",
        *names,
        ". Both save ",
        Bytes(together),
        "; one at a time, they ",
        *alone,
        ".",
    ]


def _split_words(split: SuiteSplit) -> Words:
    words: Words = ["without ", Code(split.component)]
    if split.own_bytes is not None:
        words += [", which takes ", Bytes(split.own_bytes), " in a process of its own"]
        if split.own_variant:
            words += [" (", Code(split.own_variant), ")"]
        words.append(",")
    words += [" the others take ", *_measured(split.service)]
    return [*words, ", within the budget"] if split.within_budget else words


def _splits(splits: Sequence[SuiteSplit]) -> Table:
    rows: list[list[Sentence]] = [
        [
            split.component,
            Bytes(split.service.median_bytes),
            "yes" if split.within_budget else "no",
            None if split.own_bytes is None else Bytes(split.own_bytes),
            plain(joined([step_words(step) for step in split.steps], "; ")),
        ]
        for split in splits
    ]
    columns = [
        Column("left out"),
        Column("others", "right"),
        Column("in budget"),
        Column("by itself", "right"),
        Column("changes to the others"),
    ]
    return Table("splits", columns, rows, "The service without one component, which runs in a process of its own")


def _parts_table(plan: SuitePlan, bare: int) -> Table:
    rows: list[list[Sentence]] = [["interpreter", Bytes(bare)]]
    rows += [[part.component, Bytes(part.bytes, signed=True)] for part in plan.parts]
    above = plan.result.median_bytes - bare - sum(part.bytes for part in plan.parts)
    if plan.measure == "rss" and above >= _NOTHING:
        rows.append(["taken for a while only", Bytes(above, signed=True)])
    return Table("parts", [Column("component"), Column("adds", "right")], rows, "What remains, by component")


def _remains(plan: SuitePlan, bare: int) -> Iterator[Block]:
    if len(plan.parts) > 1:
        yield _parts_table(plan, bare)
    rows: list[list[Sentence]] = [
        [[*parts(ledger_words(row.category, row.owner))], Bytes(row.bytes)] for row in plan.remains
    ]
    if not plan.within_budget and plan.packages:
        first = plan.packages[0]
        if first.bytes >= _OWNERS_SHARE * plan.result.median_bytes:
            floor: Sentence = [
                "Importing ",
                Code(first.package),
                " alone takes ",
                Bytes(first.bytes),
                ": only leaving it out saves that.",
            ]
            yield Prose("floor", [floor])
    if rows:
        yield Table("remains", [Column("memory"), Column("bytes", "right")], rows, "What remains, by owner")
    if plan.packages and not plan.within_budget:
        packages: list[list[Sentence]] = [[row.package, Bytes(row.bytes), Count(row.modules)] for row in plan.packages]
        columns = [Column("package"), Column("import cost", "right"), Column("modules", "right")]
        yield Table("packages", columns, packages, "Imports that remain")
