"""The settings of one run of a suite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .protocol import SuiteEntry
from .purposes import IN_ORDER


@dataclass(frozen=True, kw_only=True)
class SuiteSettings:
    """What `fwmemtrace suite` was asked for.

    Attributes:
        repeat: runs used to compute a spread.
        timeout: seconds that one process may take; None for no limit.
        memory_limit: bytes that one process may use; 0 for no limit.
        budget: bytes that the service may use; 0 for no budget.
        measure: what the budget is about: "rss" or "unevictable".
        skip: purposes of processes to leave out.
        only: names of the components to run; all if empty.
        plan_seconds: time for the runs that look for the plan.
        least_agreement: cosine similarity of outputs that another way to run a model needs.
        workers: workers that the service forks; 0 for none.
        try_models: whether to try the torch models of the components by themselves.
    """

    repeat: int = 3
    timeout: float | None = 600.0
    memory_limit: int = 0
    budget: int = 0
    measure: str = "rss"
    skip: Collection[str] = ()
    only: Collection[str] = ()
    plan_seconds: float = 180.0
    least_agreement: float = 0.99
    workers: int = 0
    try_models: bool = False

    def wants(self, purpose: str) -> bool:
        """Tells whether processes of a purpose are to run."""
        return purpose not in self.skip

    def purposes(self, components: Sequence[SuiteEntry]) -> list[str]:
        """Returns the purposes of the processes to run, in their order."""
        wanted = {
            "variant": self.wants("variant") and any(entry.variants for entry in components),
            "model": self.try_models,
            "together": self.wants("together") and (len(components) > 1 or bool(self.budget)),
            "plan": self.wants("plan") and self.wants("together") and bool(self.budget),
            "forks": bool(self.workers),
        }
        return [purpose for purpose in IN_ORDER if wanted.get(purpose, self.wants(purpose))]
