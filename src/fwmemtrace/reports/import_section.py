"""What the imports of a trace cost, by package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from .blocks import Block, Bytes, Code, Column, Count, Inline, Prose, Section, Sentence, Table
from .disturbance import disturbed_sentences
from .sites import short


def import_sections(report: results.TraceReport, top: int) -> Iterator[Section]:
    """Yields a table of the packages whose imports cost most, if imports were recorded.

    Args:
        report: the results.
        top: packages in the table.
    """
    packages = (report.import_packages or [])[:top]
    if not packages:
        return
    columns = [Column("own RSS", "right"), Column("modules", "right"), Column("package")]
    rows: list[list[Sentence]] = [
        [Bytes(package.own_bytes, signed=True), Count(package.modules), _package(package)] for package in packages
    ]
    blocks: list[Block] = [Table("packages", columns, rows)]
    disturbed = [sentence for process in report.trace.processes for sentence in disturbed_sentences(report, process)]
    if disturbed:
        blocks.insert(0, Prose("disturbed", disturbed))
    yield Section("imports", "Imports", blocks)


def _package(package: results.ImportPackage) -> list[Inline]:
    words: list[Inline] = [Code(" > ".join([*_by_package(package.chain), package.package]))]
    if package.phase:
        words += [" in ", Code(package.phase)]
    own = package.nearest_own
    if own is not None:
        words += [", imported by ", Code(f"{short(own.file)}:{own.line}")]
    elif package.asked_by:
        words += [", imported by ", Code(package.asked_by)]
    return words


def _by_package(chain: Sequence[str]) -> list[str]:
    """A chain of modules by their packages: a fix is made where it goes from one package into another."""
    packages = [module.partition(".")[0] for module in chain]
    return [name for number, name in enumerate(packages) if not number or packages[number - 1] != name]
