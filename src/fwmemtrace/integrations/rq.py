"""RQ: phases named by function, in the work horse of each job."""

from __future__ import annotations

from typing import Any

from rq import SimpleWorker, Worker

from ..tracing.phases import annotate, phase

__all__ = ["MemorySimpleWorker", "MemoryWorker"]


class _InPhases:
    """Runs each job in a phase, with the queue and the outcome as attributes. RQ catches what a job raises."""

    def perform_job(self, job: Any, queue: Any, *further: Any) -> bool:
        """Run a job."""  # RQ 3 added an argument
        with phase(_name_of(job), queue=queue.name):
            succeeded = bool(super().perform_job(job, queue, *further))  # type: ignore[misc]
            annotate(state="finished" if succeeded else "failed")
        return succeeded


def _name_of(job: Any) -> str:
    try:
        name: str | None = job.func_name
    except Exception:  # data that cannot be read, on which the worker fails the job
        name = None
    return name or "job"


class MemoryWorker(_InPhases, Worker):
    """A worker whose jobs run in phases: `rq worker --worker-class fwmemtrace.integrations.rq.MemoryWorker`."""


class MemorySimpleWorker(_InPhases, SimpleWorker):
    """The same without a process for each job."""
