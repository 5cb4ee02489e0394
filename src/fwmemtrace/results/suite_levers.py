"""What a suite found to change: the decision matrix, and the models that were tried."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .suite_profile import SuiteResult

Action: TypeAlias = Literal[
    "remove import",
    "narrow weights",
    "share equal tensors",
    "trim allocator",
    "freeze objects",
    "set variable",
    "limit growth",
    "limit size",
    "use variant",
    "move import",
    "set option",
    "run model",
    "bound dict",
]

# What a fact states; docs/suite.md has the names, sizes and counts of each.
FactKind: TypeAlias = Literal[
    "unused import",
    "imported by",
    "brings with it",
    "used elsewhere",
    "imported elsewhere",
    "deferred",
    "loaded anyway",
    "deferring failed",
    "held alone",
    "weights",
    "clean weights",
    "element size",
    "equal tensors",
    "equal tensor",
    "trimmed",
    "taken again",
    "growing",
    "grew and stopped",
    "python heap growth",
    "python heap line",
    "before",
    "after",
    "ledger line",
    "ledger total",
    "unevictable",
    "peak",
    "service peak",
    "service spread",
    "model alone",
    "outputs agree",
    "call time",
    "stands in",
    "forked",
    "unbounded cache",
    "answers equal",
    "answers differ",
    "own line",
    "moves into",
    "not used there",
]


class SuiteFact(SuiteResult, kw_only=True):
    """A fact behind a lever: its kind, with the figures of that kind; docs/suite.md lists them."""

    kind: FactKind  # what it states
    text: str  # the same as a sentence, each `{}` standing for the next of `bytes`; only reports fill it in
    bytes: list[int] = []  # sizes, or changes in size
    names: list[str] = []  # modules, components, phases, places
    counts: list[int] = []  # numbers of things


class SuiteLever(SuiteResult, kw_only=True):
    """A row of the decision matrix: an action, its saving, and the evidence for it."""

    component: str  # component that it is about, or "the service" for all of them
    action: Action  # what to do
    subject: str  # what to do it to: a module, an element type, a variable, a line, a variant
    lever: str  # the action in words; only reports fill it in
    kind: Literal["import", "dtype", "twin", "allocator", "growth", "variant", "option", "model"]  # what it is about
    now_bytes: int  # RSS held now
    saves_low_bytes: int  # smallest saving
    saves_high_bytes: int  # largest saving
    after_bytes: int  # RSS held with the change
    basis: Literal["measured", "computed"]  # measured in processes, or computed from the sizes of live objects
    phase: str  # phase in which the memory is allocated
    evidence: list[SuiteFact]  # the facts behind it
    in_service_bytes: int | None = None  # saving with all components in one process; negative: a cost
    in_service_peak_bytes: int | None = None  # the same for the peak, which is what a limit applies to
    applicable: bool = True  # false if a trial showed that it cannot be applied as it is


class SuiteModelWay(SuiteResult, kw_only=True):
    """One way to run a model, tried in a fresh process on calls that the component made."""

    way: str  # "as it is", "float16 file", "bfloat16 file", "int8 dynamic", "ONNX Runtime", "ONNX Runtime int8"
    problem: str  # why it does not work; "" if it does
    held_bytes: (
        int  # RSS with the model loaded and the calls answered, libraries included, less that of the bare process
    )
    peak_bytes: int  # highest RSS, less the same
    call_ns: int  # median time of a call
    largest_difference: float  # largest difference of an output from that of the model as it is
    cosine: float  # smallest cosine similarity of an output to that of the model as it is


class SuiteModel(SuiteResult, kw_only=True):
    """A torch model that a component calls, and the ways to run it."""

    component: str  # component that calls it
    name: str  # its class
    parameters: int  # number of parameters
    bytes: int  # size of its parameters and buffers
    dtype: str  # their element type
    calls: int  # calls that were repeated
    ways: list[SuiteModelWay]  # as it is, then the others
