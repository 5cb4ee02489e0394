"""A suite: its processes, and what was tried in them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from .base import Record


class SuiteBegin(Record, frozen=True, gc=False):
    """A suite of components begins. Only in the trace of the suite's own process."""

    kind: ClassVar[int] = 50

    file: str  # the suite file or module
    repeat: int
    timeout_ns: int  # 0: none
    memory_limit_bytes: int  # 0: none
    limited_by: str  # "cgroup" or "RLIMIT_AS"; "" without a limit
    budget_bytes: int  # 0: none
    bare_rss_bytes: int  # of an interpreter that imports and runs nothing
    measure: str = "rss"  # what the budget limits: "rss" or "unevictable"
    least_agreement: float = 0.99  # cosine similarity of outputs that another way to run a model needs to be a lever
    purposes: list[str] = []  # of the processes that it wants to run, in their order; [] in older traces


class SuiteMember(Record, frozen=True, gc=False):
    """A component of the suite, in the order of the suite file."""

    kind: ClassVar[int] = 51

    name: str
    position: int
    inputs: int
    batch: int  # the number of requests in the phase `batch`
    variants: list[str]
    problem: str = ""  # why it cannot be run; "" if it can


class SuiteChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A change to the service that a process of the suite tries."""

    kind: str  # as named in suite/changes.py, such as "variant", "move import", "option" or "bound dict"
    component: str  # "" for all of them
    subject: str  # a variant, a dict, "file:line" of an import, a module, "NAME=value", an option, "model: way"


class SuiteRun(Record, frozen=True, gc=False):
    """A process of the suite has ended: its purpose and its outcome."""

    kind: ClassVar[int] = 52

    pid: int  # its trace is the worker's trace of that pid; 0 if it has none
    component: str  # "" for the process that ran all components together
    purpose: str  # "resident", "native", "python", "use", "together", "variant", "deferred", "arenas", "trial", "plan"
    repetition: int
    variant: str  # the variant's name, or the module that was deferred
    outcome: str  # "ok", "raised", "timed out", "killed", "out of memory", "left"
    phase: str  # the phase in which it ended; "" if it was "ok"
    message: str
    wall_ns: int
    changes: list[SuiteChange] = []  # what it changed, in a trial or a run of the plan


class SuiteEnd(Record, frozen=True, gc=False):
    """The suite has ended. There is none if it was killed, or if its trace could not be written to the end."""

    kind: ClassVar[int] = 64

    stopped_by: str  # what ended it early: a signal's name, or an error message; "" if it ran to its end
    missing: list[str]  # the purposes of processes of which not all have run


class SuiteUse(Record, frozen=True, gc=False):
    """The modules that the requests of a component used."""

    kind: ClassVar[int] = 53

    ran: list[str]  # modules with a function that was called
    read: list[str]  # modules with an attribute that was read, except by `from ... import` at import time
    requests: int
    options: dict[str, list[str]] | None = None  # options that would change something, with what; None: not watched


class SuiteArray(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The storages of tensors or arrays of one element type."""

    library: str  # "torch", "numpy" or "python"
    dtype: str
    item_bytes: int
    count: int
    bytes: int
    resident_bytes: int
    private_bytes: int  # resident, and neither shared nor a clean page of a file
    parameters: bool  # whether they belong to a torch module


class SuiteTwin(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Storages with identical contents."""

    library: str
    dtype: str
    shape: list[int]
    copies: int
    bytes: int  # of one copy
    extra_bytes: int  # private resident bytes of all copies but one
    names: list[str]  # if known: the paths of the parameters in their models, or the variables or keys of arrays


class SuiteArrays(Record, frozen=True, gc=False):
    """The live tensors and arrays after the requests, each storage counted once, and those with identical contents."""

    kind: ClassVar[int] = 54

    arrays: list[SuiteArray]
    twins: list[SuiteTwin]


class SuiteDeferred(Record, frozen=True, gc=False):
    """Modules whose import was deferred until an attribute is read, and those of them that were loaded after all."""

    kind: ClassVar[int] = 55

    asked: list[str]
    loaded: dict[str, str]  # the phase in which each was loaded
    put_off: list[str] = []  # those that the component imported; a module written in C cannot be deferred


class SuiteMove(Record, frozen=True, gc=False):
    """An import statement of the program that a trial moved to where it is used, or removed."""

    kind: ClassVar[int] = 56

    file: str
    line: int
    statement: str  # its source
    into: list[str]  # "function:line" of each function that uses what it imports; [] if nothing does
    problem: str = ""  # why it cannot be moved; "" if it was


class SuiteModelWay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One way to run a model, in a process of its own, on the calls that its component made."""

    way: str
    problem: str  # why it does not work; "" if it does
    held_bytes: int = 0  # RSS with the model loaded and the calls answered, less that of the bare process
    peak_bytes: int = 0  # the highest RSS, less the same
    call_ns: int = 0  # the median time of a call
    largest_difference: float = 0.0  # between an output and that of the model as it is
    cosine: float = 0.0  # the smallest cosine similarity of an output to that of the model as it is


class SuiteModel(Record, frozen=True, gc=False):
    """A torch model that a component calls, and the ways to run it that were tried."""

    kind: ClassVar[int] = 57

    component: str
    name: str  # its class
    parameters: int
    bytes: int  # of its parameters and buffers
    dtype: str
    calls: int
    ways: list[SuiteModelWay]


class SuiteAnswers(Record, frozen=True, gc=False):
    """The answers of a component, or of a variant, to its first requests."""

    kind: ClassVar[int] = 58

    numbers: list[list[float]]  # the numbers of each answer; [] where it is none
    texts: list[str]  # an answer that is no number, as text; "" for one that cannot be compared


class SuiteForks(Record, frozen=True, gc=False):
    """What workers copy that are forked when a component has been made: private bytes after their requests."""

    kind: ClassVar[int] = 59

    component: str
    workers: int  # of the service
    copied_bytes: int  # of a worker that was forked as it is
    frozen_bytes: int  # of one whose parent called `gc.freeze()` before


class SuiteWorkers(Record, frozen=True, gc=False):
    """The processes that a component started and that still ran after its requests, from their smaps_rollup."""

    kind: ClassVar[int] = 63

    component: str
    count: int
    private_bytes: int  # resident pages that no other process has
    clean_bytes: int  # of those, pages that the kernel can evict
