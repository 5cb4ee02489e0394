"""The files by which a suite and the processes that it starts exchange tasks and results, as JSON."""

from __future__ import annotations

import msgspec


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
        variant: the variant to make in place of the component.
        variant_of: the position of the component with the variant, if several run together.
        defer: modules whose import is deferred.
        address_space: limit in bytes; 0 for none.
        trim: whether to trim the allocator after the requests.
        wait_for: a file that has to exist before the process begins; "" for none.
    """

    spec: str
    positions: list[int]
    purpose: str
    probes: list[str]
    trace: str
    session_id: str
    status_file: str = ""
    variant: str = ""
    variant_of: int = -1
    defer: list[str] = []
    address_space: int = 0
    trim: bool = False
    wait_for: str = ""


class ChildStatus(msgspec.Struct, kw_only=True):
    """How far a process has come, written again at each stage: it survives a process that is killed.

    Attributes:
        stage: the path of the phase that the process entered last.
        outcome: how it ended; "" while it runs. See `records.SuiteRun`.
        message: its error message.
    """

    stage: str = ""
    outcome: str = ""
    message: str = ""


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
    """All entries of the suite, or the error that reading it raised."""

    entries: list[SuiteEntry] = []
    error: str = ""
