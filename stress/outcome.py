"""What a trial found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec


@dataclass
class Outcome:
    """The outcome of a trial.

    Attributes:
        attacks: how many there were.
        faults: what went wrong, a line each; none if the trial was withstood.
        figures: what else was counted.
        left_out: what could not be tried on this machine, with the reason.
    """

    attacks: int
    faults: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def ran(self) -> bool:
        """Whether anything was tried."""
        return self.attacks > 0

    @property
    def withstood(self) -> bool:
        """Whether anything was tried and nothing went wrong."""
        return self.ran and not self.faults

    def expect(self, holds: bool, fault: str) -> None:
        """Add a fault if something does not hold."""
        if not holds and len(self.faults) < 20:
            self.faults.append(fault)

    def line(self, name: str) -> str:
        """Return the outcome in one line."""
        left_out = "; ".join(self.left_out)
        if not self.ran:
            return f"{name}: NOT RUN: {left_out}"
        words = "withstood" if self.withstood else f"FAILED: {'; '.join(self.faults[:5])}"
        counts = [f"{self.attacks:,} attacks", *(f"{value:,.6g} {what}" for what, value in self.figures.items())]
        return f"{name}: {', '.join(counts)}: {words}" + f"; left out: {left_out}" * bool(left_out)


def not_run(reason: str) -> Outcome:
    """Return the outcome of a trial that cannot run here."""
    return Outcome(0, left_out=[reason])


def lack_of(modules: Iterable[str]) -> str:
    """Return which of these modules are not installed, as the reason to leave something out; "" if all are."""
    missing = [module for module in modules if find_spec(module) is None]
    return f"needs {' and '.join(missing)}" * bool(missing)
