"""What there is to go by for the decision matrix, and the shape of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...results.suite import Spread, SuiteComponent, SuiteFact, SuiteLever
from .profile import NOISE
from .reading import SuiteProcess

WORTH_A_ROW = NOISE  # bytes; below it a page more or less in the allocator decides
WORTH_SHARE = 0.01  # of what the component holds: a longer list would hide what matters
PEAK_TOGETHER = "the peak of the service"
FIRM = "memory that the kernel cannot take back"  # all but clean pages of files
NAMED = 4  # things that a sentence lists


@dataclass(frozen=True)
class Evidence:
    """What there is to go by for one component.

    Attributes:
        component: its profile.
        processes: those that were started for it alone.
        others: names of modules that other components of the suite make use of, by component.
        importers: packages that other components import, by component.
        together: the processes that held all components as they are.
    """

    component: SuiteComponent
    processes: Sequence[SuiteProcess]
    others: dict[str, frozenset[str]]
    importers: dict[str, frozenset[str]]
    together: Sequence[SuiteProcess] = ()

    def of(self, purpose: str, variant: str | None = None) -> list[SuiteProcess]:
        """The processes of one purpose that came through."""
        return [
            process
            for process in self.processes
            if process.run.purpose == purpose
            and process.run.outcome == "ok"
            and process.report is not None
            and (variant is None or process.run.variant == variant)
        ]

    @property
    def noise(self) -> int:
        """How far the runs of the component as it is lie apart, in bytes."""
        before = self.component.held
        return 0 if before is None else before.high_bytes - before.low_bytes


def used_modules(processes: Sequence[SuiteProcess]) -> frozenset[str] | None:
    """Modules that a component's requests made use of; None where that was not watched to the end."""
    use = next((process.own.use for process in processes if process.own.use is not None), None)
    return None if use is None else frozenset({*use.ran, *use.read})


def worthwhile(
    one: Evidence,
    *,
    lever: str,
    kind: str,
    low: int,
    high: int,
    basis: str,
    phase: str,
    evidence: list[SuiteFact],
    after: int | None = None,
    in_service: int | None = None,
    in_service_peak: int | None = None,
) -> Iterator[SuiteLever]:
    """The row, if it is worth one. It saves no less than nothing, where nothing is sure, and no more than there is."""
    before = one.component.held
    if before is None:
        return
    now = before.median_bytes
    low, high = max(0, min(low, now)), min(high, now)
    if (low + high) // 2 < max(WORTH_A_ROW, round(now * WORTH_SHARE)):
        return
    yield SuiteLever(
        component=one.component.name,
        lever=lever,
        kind=kind,  # type: ignore[arg-type]
        now_bytes=now,
        saves_low_bytes=low,
        saves_high_bytes=high,
        after_bytes=now - (low + high) // 2 if after is None else after,
        basis=basis,  # type: ignore[arg-type]
        phase=phase,
        evidence=evidence,
        in_service_bytes=in_service,
        in_service_peak_bytes=in_service_peak,
    )


def range_of(what: str, figure: Spread) -> SuiteFact:
    """A figure that was measured several times, as a fact."""
    if figure.runs == 1 or figure.low_bytes == figure.high_bytes:
        return fact(f"{what} {{}}", figure.median_bytes)
    return fact(f"{what} {{}} to {{}} in {figure.runs} runs", figure.low_bytes, figure.high_bytes)


def fact(text: str, *sizes: int) -> SuiteFact:
    """A sentence of evidence; each `{}` in it stands for a size."""
    return SuiteFact(text=text, bytes=list(sizes))


def count(number: int, what: str, plural: str = "s") -> str:
    """A count of things, with their name in the right form."""
    return f"{number} {what}{'' if number == 1 else plural}"
