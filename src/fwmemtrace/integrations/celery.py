"""Celery: phases named by task, in every worker process."""

from __future__ import annotations

from typing import Any

from celery import signals

from ..tracing.phases import Phase, annotate, is_tracing, phase

__all__ = ["instrument"]

_running: dict[str, Phase] = {}


def instrument() -> None:
    """Run each task in a phase of its name, until its result is stored; the state becomes an attribute."""
    signals.task_prerun.connect(_begin, weak=False, dispatch_uid="fwmemtrace")
    signals.task_postrun.connect(_end, weak=False, dispatch_uid="fwmemtrace")


def _begin(task_id: str, task: Any, **_: Any) -> None:
    if is_tracing():
        _running[task_id] = phase(task.name, queue=str((task.request.delivery_info or {}).get("routing_key", "")))
        _running[task_id].__enter__()


def _end(task_id: str, state: str | None = None, **_: Any) -> None:
    run = _running.pop(task_id, None)
    if run is not None:
        annotate(state=str(state))
        run.__exit__(None, None, None)
