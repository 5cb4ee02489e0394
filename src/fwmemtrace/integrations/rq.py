"""RQ: phases named by function, in the work horse of each job."""

from __future__ import annotations

from typing import Any

from rq import SimpleWorker, Worker

from ..tracing.phases import phase

__all__ = ["MemorySimpleWorker", "MemoryWorker"]


class MemoryWorker(Worker):
    """A worker whose jobs run in phases: `rq worker --worker-class fwmemtrace.integrations.rq.MemoryWorker`."""

    def perform_job(self, job: Any, queue: Any) -> bool:
        """Run a job."""
        with phase(job.func_name or "job", queue=queue.name):
            return bool(super().perform_job(job, queue))


class MemorySimpleWorker(SimpleWorker):
    """The same without a process for each job."""

    def perform_job(self, job: Any, queue: Any) -> bool:
        """Run a job."""
        with phase(job.func_name or "job", queue=queue.name):
            return bool(super().perform_job(job, queue))
