"""Phases: where they begin and end, with RSS at these edges."""

from __future__ import annotations

from typing import ClassVar

from .base import AttributeValue, Record


class PhaseBegin(Record, frozen=True, gc=False):
    """A phase begins. Written at once, so that the trace of a killed process names the phase that was running."""

    kind: ClassVar[int] = 2

    span: int  # the id of this run of the phase, unique in the process
    parent: int  # the id of the enclosing span; 0 if there is none
    name: str
    thread_id: int
    time_ns: int
    rss_bytes: int
    attributes: dict[str, AttributeValue] | None = None


class PhaseEnd(Record, frozen=True, gc=False):
    """A phase ended: the last record of its span."""

    kind: ClassVar[int] = 3

    span: int
    time_ns: int
    rss_bytes: int
    peak_rss_bytes: int
    error: str | None = None  # the qualified name of the type of the exception that ended it


class PhaseAttributes(Record, frozen=True, gc=False):
    """Attributes that a phase got while it ran, such as the status of the response to a request."""

    kind: ClassVar[int] = 15

    span: int
    attributes: dict[str, AttributeValue]


class UnmeasuredCalls(Record, frozen=True, gc=False):
    """Calls of a phase that have no records of their own: in production mode, hot phases are sampled."""

    kind: ClassVar[int] = 13

    path: list[str]  # names of the phase and of those around it, outermost first
    calls: int  # that have ended since the last record of this kind and path
    wall_ns: int  # summed over them
    errors: dict[str, int]  # number of calls by the type of the exception that ended them
