"""The packages that a process of a suite imported, with what each cost."""

from __future__ import annotations

from collections.abc import Callable

from ...results.suite import SuitePackage
from .reading import SuiteProcess
from .stages import in_a_stage


def imported_packages(
    process: SuiteProcess | None, counts: Callable[[str], bool] = in_a_stage
) -> list[SuitePackage] | None:
    """Returns the top-level packages that a process imported, the largest first; None if imports were not measured.

    Args:
        process: the process, if there is one.
        counts: tells by the path of a phase whether imports in it count.
    """
    if process is None or process.report is None or process.report.imports is None:
        return None
    packages: dict[str, SuitePackage] = {}
    for row in process.report.imports:
        if not counts(row.phase):
            continue
        name = row.module.partition(".")[0]
        package = packages.setdefault(name, SuitePackage(package=name, bytes=0, modules=0))
        package.bytes += row.own_bytes
        package.modules += 1
    return sorted(packages.values(), key=lambda package: -package.bytes)
