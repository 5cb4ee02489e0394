"""The sections of a suite's report."""

from __future__ import annotations

from ...results.suite import Suite, SuiteComparison, SuiteLever
from ..blocks import Block, Bytes, Code, Column, Listing, Prose, Section, Sentence, Table, counted
from .components import allocations_section, component_section, profiles, snapshots
from .models import models_sections
from .plan import plan_section
from .summary import failures, no_lever, recommendations, sharing_sentence, summary_sentences
from .words import evidence_words, lever_words, savings

_RECOMMENDED = 10
_AFTER_ALL = ("import", "after gc", "after trim")  # a lever measured there is about all that is held
_COLUMNS_MEAN = (
    "import, init, first (request) and batch are RSS changes; held is RSS after the batch and a garbage collection, "
    "peak the kernel's high-water mark, both less RSS before the import; spread is the difference in held between runs."
)

_WITH_WORKERS = "held and peak include the private memory of processes that the component started."


def suite_sections(suite: Suite, *, top: int = 5, verbose: bool = False) -> list[Section]:
    """Returns the whole report.

    Args:
        suite: the results.
        top: rows of each table of packages, holders and allocations.
        verbose: whether to show all evidence.
    """
    measured = [component for component in suite.components if component.phases]
    sections = [
        Section("summary", "Summary", [Prose("summary", summary_sentences(suite))]),
        Section("method", "Method", [Prose("method", _method(suite))]),
    ]
    if suite.against is not None:
        sections.append(_against(suite.against))
    if measured:
        means: list[Sentence] = [_COLUMNS_MEAN]
        if any(component.worker_processes for component in measured):
            means.append(_WITH_WORKERS)
        profile: list[Block] = [Prose("columns", means), profiles(suite.components)]
        sections.append(Section("timeline", "Timeline of snapshots", [snapshots(measured)]))
        sections.append(Section("components", "Component profiles", profile))
        sections += [component_section(number, component, top) for number, component in enumerate(measured)]
    if failed := failures(suite):
        sections.append(Section("failures", "Failures", [Listing("failures", failed)]))
    if suite.sharing is not None and len(suite.sharing.order) > 1:
        sections.append(_sharing(suite, top))
    allocations = [
        section
        for number, component in enumerate(measured)
        if (section := allocations_section(number, component, top)) is not None
    ]
    if allocations:
        sections += [Section("allocations", "Top allocations"), *allocations]
    sections += models_sections(suite.models)
    sections.append(_matrix(suite, verbose=verbose))
    if suite.plan is None or not suite.plan.steps:
        sections.append(_recommendations(suite))
    if suite.plan is not None:
        sections.append(plan_section(suite.plan, suite.bare_bytes))
    return sections


def _against(against: SuiteComparison) -> Section:
    rows: list[list[Sentence]] = [
        [
            one.name,
            None if one.before is None else Bytes(one.before.median_bytes),
            None if one.after is None else Bytes(one.after.median_bytes),
            None if one.change_bytes is None else Bytes(one.change_bytes, signed=True),
            "" if one.change_bytes is None or one.clear else "within the differences between runs",
        ]
        for one in (*against.components, against.service)
    ]
    columns = [Column(""), *(Column(title, "right") for title in ("before", "now", "change")), Column("")]
    means: Sentence = [
        "What each component holds in a process of its own, and the peak of all in one process, in ",
        Code(against.since),
        " and now.",
    ]
    return Section("against", "Changes", [Prose("means", [means]), Table("changes", columns, rows)])


def _method(suite: Suite) -> list[Sentence]:
    sentences: list[Sentence] = [
        [
            "Each component of ",
            Code(suite.file),
            " ran ",
            "once" if suite.repeat == 1 else f"{suite.repeat} times",
            " in a fresh interpreter with the light probes; figures are RSS less that of the interpreter before the "
            "component's import (a bare interpreter has ",
            Bytes(suite.bare_bytes),
            ").",
        ]
    ]
    if suite.memory_limit_bytes:
        unit = ", which counts address space, not resident memory" if suite.limited_by == "RLIMIT_AS" else ""
        limit = Bytes(suite.memory_limit_bytes)
        sentences.append(["Each process was limited to ", limit, f" by {suite.limited_by}{unit}."])
    return sentences


def _sharing(suite: Suite, top: int) -> Section:
    sharing = suite.sharing
    assert sharing is not None
    rows: list[list[Sentence]] = [
        [
            part.name + (" (failed)" if part.failed else ""),
            Bytes(part.alone_bytes),
            Bytes(part.marginal_bytes, signed=True),
            Bytes(part.shared_bytes),
        ]
        for part in sharing.order
    ]
    rows.append(["all components", Bytes(sharing.sum_of_parts_bytes), Bytes(sharing.together_bytes, signed=True), None])
    columns = [
        Column("component, in the order of the service"),
        Column("alone", "right"),
        Column("added to those before", "right"),
        Column("imports already there", "right"),
    ]
    blocks: list[Block] = [Prose("sharing", [sharing_sentence(sharing)]), Table("order", columns, rows)]
    if shared := sharing.shared[:top]:
        packages: list[list[Sentence]] = [[row.package, Bytes(row.bytes), ", ".join(row.components)] for row in shared]
        heads = [Column("package"), Column("import cost", "right"), Column("components")]
        blocks.append(Table("packages", heads, packages, "Packages that several components import"))
    return Section("sharing", "Shared and own memory", blocks)


def _matrix(suite: Suite, *, verbose: bool) -> Section:
    if not suite.matrix:
        return Section("matrix", "Decision matrix", [Prose("matrix", [no_lever(suite)])])
    towards = " towards the budget" if suite.budget is not None and suite.budget.need_bytes else ""
    caption = (
        "now and after are what the component holds in a process of its own, in service is the saving with all "
        f"components in one process. The lever that helps most{towards} comes first."
    )
    columns = [
        Column("component"),
        *(Column(title, "right") for title in ("now", "saves", "after", "in service")),
        Column("basis"),
        Column("lever and evidence"),
    ]
    table = Table("levers", columns, [_lever(lever, verbose=verbose) for lever in suite.matrix])
    return Section("matrix", "Decision matrix", [Prose("matrix", [caption]), table])


def _lever(lever: SuiteLever, *, verbose: bool) -> list[Sentence]:
    where = "" if lever.phase in _AFTER_ALL else f" ({lever.phase})"
    return [
        lever.component,
        Bytes(lever.now_bytes),
        savings(lever),
        Bytes(lever.after_bytes),
        None if lever.in_service_bytes is None else Bytes(lever.in_service_bytes, signed=True),
        lever.basis,
        [*lever_words(lever), f"{where}: ", *evidence_words(lever, verbose=verbose)],
    ]


def _recommendations(suite: Suite) -> Section:
    advice = recommendations(suite)
    shown = advice[:_RECOMMENDED]
    blocks: list[Block] = []
    if not advice:
        blocks.append(Prose("none", [no_lever(suite)]))
    elif more := len(advice) - len(shown):
        blocks.append(
            Prose("more", [["The first ", *counted(len(shown), "lever"), f"; the decision matrix has {more} more."]])
        )
    return Section("recommendations", "Recommendations", [*blocks, Listing("recommendations", shown)])
