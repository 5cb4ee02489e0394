"""What has changed since an earlier run of a suite."""

from __future__ import annotations

from collections.abc import Iterator

from ...results.suite import Spread, Suite, SuiteComparison, SuiteDifference
from .import_levers import SERVICE


def compare(before: Suite, after: Suite, label: str) -> SuiteComparison:
    """Compares two runs of a suite.

    Args:
        before: the results of the earlier run.
        after: the results of the later run.
        label: what the earlier run is called.
    """
    return SuiteComparison(
        since=label,
        service=_difference(SERVICE, before.service, after.service),
        components=list(_components(before, after)),
    )


def _components(before: Suite, after: Suite) -> Iterator[SuiteDifference]:
    old = {component.name: component.held for component in before.components}
    new = {component.name: component.held for component in after.components}
    for name in {**old, **new}:
        yield _difference(name, old.get(name), new.get(name))


def _difference(name: str, before: Spread | None, after: Spread | None) -> SuiteDifference:
    change, clear = None, False
    if before is not None and after is not None:
        change = after.median_bytes - before.median_bytes
        clear = after.low_bytes > before.high_bytes or after.high_bytes < before.low_bytes
    return SuiteDifference(name=name, before=before, after=after, change_bytes=change, clear=clear)
