"""What a trial found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """The outcome of a trial.

    Attributes:
        attacks: how many there were.
        faults: what went wrong, a line each; none if the trial was withstood.
        figures: what else was counted.
    """

    attacks: int
    faults: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def expect(self, holds: bool, fault: str) -> None:
        """Add a fault if something does not hold."""
        if not holds and len(self.faults) < 20:
            self.faults.append(fault)

    def line(self, name: str) -> str:
        """Return the outcome in one line."""
        words = "withstood" if not self.faults else f"FAILED: {'; '.join(self.faults[:5])}"
        figures = ", ".join(f"{value:,.6g} {what}" for what, value in self.figures.items())
        return f"{name}: {self.attacks:,} attacks, {figures}: {words}"
