"""The keyword arguments of `session` and `start`, for type checkers. Nothing imports this while a program runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from ..probes.base import Probe
from ..sinks.base import Sink


class SettingsArguments(TypedDict, total=False):
    """The settings that `session` has no parameters of its own for; see `config.Settings`. None means "not given"."""

    short_calls: bool | None
    overwrite: bool | None
    mode: str | None
    max_overhead: float | None
    max_trace_size: int | str | None
    triggers: str | Sequence[str] | None
    snapshot_signal: str | None
    control: str | None
    exact_peak: bool | None
    top: int | None
    frames: int | None
    include: str | Sequence[str] | None
    exclude: str | Sequence[str] | None
    detail_share: float | None
    holders: int | None
    native_traces: bool | None
    python_allocators: bool | None
    sample_bytes: int | str | None
    service: str | None
    instance: str | None
    labels: str | Mapping[str, str] | None
    redact: str | Sequence[str] | None
    record_arguments: bool | None


class SessionArguments(SettingsArguments, total=False):
    """All keyword arguments."""

    probes: str | Sequence[str | Probe] | None
    sink: str | Sink | None
    interval: str | float | None
    required: str | Sequence[str] | None
