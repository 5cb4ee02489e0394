"""The words of a suite's levers and facts, which analysis states as kinds and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from ...analysis.suite.import_levers import SERVICE
from ...results.suite import Action, FactKind, Spread, Suite, SuiteFact, SuiteLever, SuiteStep
from ..blocks import Bytes, Code, Count, Duration, Inline, Range, Sentence, counted, enumerate_words, parts, plain
from ..ledger_words import ledger_words
from ..sites import short

Words: TypeAlias = list[Inline]

_LISTED = 4  # names that a sentence lists before "and N more"

_OPTIONS = {
    "onnxruntime arena": "Turn off the memory arena and memory pattern of ONNX Runtime",
    "padding": "Pad to the longest text instead of to a fixed length",
    "bounded caches": "Bound the caches made by lru_cache(maxsize=None), here to 16 entries",
}
_IN_THE_ACTION = ("own line", "moves into")  # facts that the words of the action have already
_LONGEST_MESSAGE = 100  # characters
_LONGEST_EVIDENCE = 140  # characters: two lines of a narrow terminal

_ACTIONS: dict[Action, Callable[[str], Words]] = {
    "remove import": lambda module: ["Remove the ", Code(module), " import"],
    "narrow weights": lambda dtype: ["Store the weights as ", dtype],
    "share equal tensors": lambda _: ["Keep one copy of equal tensors"],
    "freeze objects": lambda _: ["Call ", Code("gc.freeze()"), " before forking workers"],
    "trim allocator": lambda _: ["Trim malloc after the requests"],
    "set variable": lambda variable: ["Set ", Code(variable)],
    "limit growth": lambda place: ["Limit what grows", *_at(place)],
    "limit size": lambda place: ["Limit the cache size", *_at(place)],
    "use variant": lambda variant: ["Use the variant ", Code(variant)],
    "move import": lambda place: ["Move the import at ", Code(short(place))],
    "run model": lambda model: [
        "Run the model ",
        Code(model.partition(": ")[0]),
        " as ",
        Code(model.partition(": ")[2]),
    ],
    "bound dict": lambda name: ["Bound the dict ", Code(name), ", here to 16 new entries"],
    "set option": lambda option: [_OPTIONS.get(option, option)],
}

_FACTS: dict[FactKind, Callable[[SuiteFact], Words]] = {
    "unused import": lambda fact: [
        "unused by init and ",
        *counted(fact.counts[0], "request"),
        "; its ",
        *counted(fact.counts[1], "module"),
        " adds " if fact.counts[1] == 1 else " add ",
        Bytes(fact.bytes[0]),
    ],
    "imported by": lambda fact: ["imported by ", Code(" > ".join(fact.names[-_LISTED:]))],
    "brings with it": lambda fact: ["brings with it ", *_listed(fact.names)],
    "used elsewhere": lambda fact: ["saves nothing in one process with ", *_listed(fact.names), ", where it is used"],
    "imported elsewhere": lambda fact: [
        "also imported by ",
        *_listed(fact.names),
        ": in one process, all of them must drop it",
    ],
    "deferred": lambda fact: [
        "never loaded in ",
        *counted(fact.counts[0], "fresh interpreter"),
        " that deferred the import",
    ],
    "loaded anyway": lambda fact: ["deferring it is not enough: names are imported from it in ", Code(fact.names[0])],
    "deferring failed": lambda fact: ["deferring it broke the component: ", _cut(fact.names[0])],
    "held alone": lambda fact: [
        Code(fact.names[0]),
        " holds ",
        Bytes(fact.bytes[0]),
        " for it in a process of its own",
    ],
    "weights": lambda fact: [
        *counted(fact.counts[0], "storage"),
        f" of {fact.names[0]} parameters hold ",
        Bytes(fact.bytes[0]),
        ", ",
        Bytes(fact.bytes[1]),
        " of it private",
    ],
    "clean weights": lambda fact: [Bytes(fact.bytes[0]), " of clean file pages are left out"],
    "element size": lambda fact: [Bytes(fact.bytes[0]), " per element instead of ", Bytes(fact.bytes[1])],
    "equal tensors": lambda fact: [
        *counted(fact.counts[0], "tensor"),
        f" {'is' if fact.counts[0] == 1 else 'are'} held more than once",
    ],
    "equal tensor": lambda fact: [
        Count(fact.counts[0]),
        f" copies of {fact.names[0]} {fact.names[1]} of shape {'x'.join(map(str, fact.counts[1:]))}, ",
        Bytes(fact.bytes[0]),
        " each",
        *([" (", *_listed(fact.names[2:]), ")"] if fact.names[2:] else []),
    ],
    "trimmed": lambda fact: ["trimming malloc after the requests returned ", Bytes(fact.bytes[0])],
    "taken again": lambda fact: ["the next requests took back ", Bytes(fact.bytes[0])],
    "growing": lambda fact: [
        "RSS grows by ",
        Bytes(fact.bytes[0]),
        " per request over ",
        *counted(fact.counts[0], "request"),
    ],
    "grew and stopped": lambda fact: [
        "RSS grew by ",
        Bytes(fact.bytes[0]),
        " over ",
        *counted(fact.counts[0], "request"),
        " and levelled off",
    ],
    "python heap growth": lambda fact: ["the Python heap grew by ", Bytes(fact.bytes[0]), " over the same requests"],
    "python heap line": lambda fact: [
        "most of it at ",
        Code(short(fact.names[0])),
        ": ",
        Bytes(fact.bytes[0]),
        " in ",
        *counted(fact.counts[0], "block"),
    ],
    "before": lambda fact: ["before: ", *_over_runs(fact)],
    "after": lambda fact: ["after: ", *_over_runs(fact)],
    "ledger line": lambda fact: [*parts(ledger_words(*fact.names)), " ", Bytes(fact.bytes[0], signed=True)],
    "ledger total": lambda fact: ["ledger total ", Bytes(fact.bytes[0], signed=True)],
    "unevictable": lambda fact: ["memory that the kernel cannot evict ", Bytes(fact.bytes[0], signed=True)],
    "peak": lambda fact: ["peak ", Bytes(fact.bytes[0], signed=True)],
    "service peak": lambda fact: ["peak of the service ", Bytes(fact.bytes[0], signed=True)],
    "model alone": lambda fact: [
        "alone in a process, ",
        Code(fact.names[0]),
        " holds ",
        Bytes(fact.bytes[0]),
        " as it is and ",
        Bytes(fact.bytes[1]),
        " so",
    ],
    "outputs agree": lambda fact: [
        "the outputs of ",
        *counted(fact.counts[0], "call"),
        f" differ by up to {fact.names[0]}, cosine {fact.names[1]}",
    ],
    "call time": lambda fact: [
        "a call takes ",
        Duration(fact.counts[1]),
        " instead of ",
        Duration(fact.counts[0]),
    ],
    "forked": lambda fact: [
        "a forked worker has ",
        Bytes(fact.bytes[0]),
        " of its own after its requests, ",
        Bytes(fact.bytes[1]),
        f" so; each of {fact.counts[0]} workers saves that",
    ],
    "unbounded cache": lambda fact: ["without a bound: ", *_listed(fact.names)],
    "stands in": lambda _: ["measured with the model and its tokenizer, without the component's other code"],
    "answers equal": lambda fact: ["the answers to ", *counted(fact.counts[0], "request"), " are equal"],
    "answers differ": lambda fact: [
        f"{fact.counts[0]} of {fact.counts[1]} answers differ",
        *([f", by up to {fact.names[0]}"] if fact.names else []),
        *([f", cosine {fact.names[1]}"] if len(fact.names) > 1 else []),
    ],
    "own line": lambda fact: [Code(fact.names[1]), " at ", Code(short(fact.names[0]))],
    "moves into": lambda fact: ["used only in ", *_listed([name.rpartition(":")[0] for name in fact.names])],
    "not used there": lambda fact: ["nothing in that file uses it"],
    "service spread": lambda fact: [
        "in the service, below the ",
        Bytes(fact.bytes[0]),
        " by which its runs differ",
    ],
}


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1].rstrip()}…"


def _at(place: str) -> Words:
    return [" at ", Code(short(place))] if place else []


def lever_words(lever: SuiteLever | SuiteStep) -> Words:
    """Returns what to do, such as "Remove the scipy import"."""
    facts = {fact.kind: fact for fact in lever.evidence}
    if lever.action == "move import" and (line := facts.get("own line")) is not None:
        statement, place = Code(line.names[1]), Code(short(line.names[0]))
        if (into := facts.get("moves into")) is None:
            return ["Remove ", statement, " at ", place]
        return ["Move ", statement, " at ", place, " into ", *_listed([name.rpartition(":")[0] for name in into.names])]
    words = _ACTIONS[lever.action](lever.subject)
    if lever.action == "remove import" and lever.component == SERVICE:
        words.append(" (no component uses it)")
    return words


def evidence_words(lever: SuiteLever | SuiteStep, *, verbose: bool) -> Words:
    """Returns the facts behind a lever; only as many as fit on two lines, unless verbose."""
    facts = [fact_words(fact) for fact in lever.evidence if fact.kind not in _IN_THE_ACTION]
    shown: list[Words] = []
    length = 0
    for words in facts:
        length += len(plain(words)) + 2
        if shown and length > _LONGEST_EVIDENCE and not verbose:
            break
        shown.append(words)
    return joined(shown, "; ")


def fact_words(fact: SuiteFact) -> Words:
    """Returns a fact as a sentence without its capital and full stop."""
    return _FACTS[fact.kind](fact)


def fill_texts(suite: Suite) -> Suite:
    """Returns the suite with its levers, steps and facts in words too, as the JSON report promises them."""
    matrix = [
        msgspec.structs.replace(lever, lever=plain(lever_words(lever)), evidence=_facts_with_text(lever.evidence))
        for lever in suite.matrix
    ]
    plan = suite.plan
    if plan is not None:
        plan = msgspec.structs.replace(
            plan,
            steps=_steps_with_text(plan.steps),
            pairs=[msgspec.structs.replace(pair, steps=_steps_with_text(pair.steps)) for pair in plan.pairs],
            splits=[msgspec.structs.replace(split, steps=_steps_with_text(split.steps)) for split in plan.splits],
        )
    return msgspec.structs.replace(suite, matrix=matrix, plan=plan)


def _steps_with_text(steps: Sequence[SuiteStep]) -> list[SuiteStep]:
    return [
        msgspec.structs.replace(step, step=plain(lever_words(step)), evidence=_facts_with_text(step.evidence))
        for step in steps
    ]


def _facts_with_text(facts: Sequence[SuiteFact]) -> list[SuiteFact]:
    return [msgspec.structs.replace(fact, text=_template(fact_words(fact))) for fact in facts]


def savings(lever: SuiteLever) -> Range:
    """Returns what a lever saves, from low to high."""
    return Range(Bytes(lever.saves_low_bytes), Bytes(lever.saves_high_bytes))


def spread_words(figure: Spread | None) -> Sentence:
    """Returns the median of a figure, and its range if that differs as text; nothing for None."""
    if figure is None:
        return None
    median, ends = Bytes(figure.median_bytes), Range(Bytes(figure.low_bytes), Bytes(figure.high_bytes))
    if plain(ends) == plain(median):
        return median
    return [median, " (", ends, ")"]


def sentence(words: Sentence) -> Words:
    """Returns words as a sentence with its capital and full stop."""
    first, *rest = parts(words)
    capital = f"{first[:1].upper()}{first[1:]}" if isinstance(first, str) else first
    return [capital, *rest, "."]


def joined(groups: Sequence[Sequence[Inline]], separator: str) -> Words:
    """Returns groups of words with a separator between them."""
    words: Words = []
    for number, group in enumerate(groups):
        words += [separator, *group] if number else group
    return words


def _listed(names: Sequence[str]) -> Words:
    shown: list[Words] = [[Code(name)] for name in names[:_LISTED]]
    if len(names) > _LISTED:
        shown.append([f"{len(names) - _LISTED} more"])
    return enumerate_words(shown)


def _over_runs(fact: SuiteFact) -> Words:
    size = Bytes(fact.bytes[0]) if len(fact.bytes) == 1 else Range(*map(Bytes, fact.bytes))
    return [size, *([f" in {fact.counts[0]} runs"] if fact.counts[0] > 1 else [])]


def _template(words: Words) -> str:
    """Returns words as text with `{}` in place of each size."""
    return "".join(
        "{}" if isinstance(word, Bytes) else "{} to {}" if isinstance(word, Range) else plain(word) for word in words
    )
