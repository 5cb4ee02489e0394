"""The files by which a suite and the processes that it starts exchange tasks and results, as JSON."""

from __future__ import annotations

import msgspec

from ..records import SuiteChange


class ModelForm(msgspec.Struct, kw_only=True, frozen=True):
    """A model of a component in another way to run it.

    Attributes:
        position: the entry of the suite that has the model.
        component: its name.
        name: the class of the model.
        way: how to run it; see `models.ways`.
        folder: the files of the model.
        calls: the number of calls that were kept.
    """

    position: int
    component: str
    name: str
    way: str
    folder: str
    calls: int


class ChildTask(msgspec.Struct, kw_only=True):
    """What one process has to do.

    Attributes:
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        positions: the entries of the suite to run; several of them run together, in this order.
        purpose: what the process is for; see `records.SuiteRun`.
        probes: the probes of its session.
        trace: the suite's own trace file; the process writes a worker's trace next to it.
        session_id: the session of the suite.
        status_file: where the process writes its `ChildStatus`.
        changes: what to change; see `changes.Changes`.
        address_space: limit in bytes; 0 for none.
        trim: whether to trim the allocator after the requests.
        answers: whether to keep some answers after all figures are taken.
        batches: requests of the phase `batch` by position, if fewer than the component declares.
        folder: where a pass for models writes, and a trial of one finds, the files of the models.
        way: how to run the model; see `models.ways`.
        calls: the calls of the model to repeat.
        models: the models to run in another way, in a process of the whole service.
        wait_for: a file that has to exist before the process begins; "" for none.
        parent: the process that started it, with which it ends; 0 for none.
    """

    spec: str
    positions: list[int]
    purpose: str
    probes: list[str]
    trace: str
    session_id: str
    status_file: str = ""
    changes: list[SuiteChange] = []
    address_space: int = 0
    trim: bool = False
    answers: bool = False
    batches: dict[int, int] = {}
    folder: str = ""
    way: str = ""
    calls: int = 0
    models: list[ModelForm] = []
    wait_for: str = ""
    parent: int = 0


class ChildStatus(msgspec.Struct, kw_only=True):
    """How far a process has come, written again at each stage: it survives a process that is killed.

    Attributes:
        stage: the path of the phase that the process entered last.
        outcome: how it ended; "" while it runs. See `records.SuiteRun`.
        message: its error message.
        unwritten: why its trace could not be written to the end; "" if it could.
    """

    stage: str = ""
    outcome: str = ""
    message: str = ""
    unwritten: str = ""


class SuiteEntry(msgspec.Struct, kw_only=True):
    """One entry of the suite.

    Attributes:
        name: what the report calls it.
        inputs: the number of its inputs.
        batch: requests of the phase `batch`.
        variants: the names of its variants.
        problem: why it cannot be run; "" if it can.
    """

    name: str
    inputs: int = 0
    batch: int = 0
    variants: list[str] = []
    problem: str = ""


class SuiteListing(msgspec.Struct, kw_only=True):
    """All entries of the suite, or the error that reading it raised.

    Attributes:
        entries: the components.
        service_variants: the suite's `variants`: for each name, the variant of each component that it changes.
        error: what reading the suite raised; "" for nothing.
    """

    entries: list[SuiteEntry] = []
    service_variants: dict[str, dict[str, str]] = {}
    error: str = ""
