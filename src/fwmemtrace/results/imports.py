"""Results of the probe `imports`: the cost of modules and packages."""

from __future__ import annotations

from typing import Literal

from .base import PhaseResult, Result
from .ledger import Ledger, LedgerItem, Workers


class OwnImport(Result, kw_only=True):
    """The line of the program's own code that is nearest to an import: where it can be changed."""

    file: str  # path of the source file
    line: int  # line number
    module: str  # the module imported there; it led to the import


class Import(Result, kw_only=True):
    """One imported module."""

    module: str  # full name
    parent: str | None  # the module whose code imported it; null for the program's own code
    own_bytes: int  # RSS change while its own code ran, without the modules it imported
    cumulative_bytes: int  # RSS change including the modules it was the first to import
    wall_ns: int  # time, with the same modules included
    own_ns: int = 0  # time of its own code
    phase: str = ""  # path of the phase in which it was first imported
    chain: list[str] = []  # the modules that led to its import, outermost first, without itself
    asked_by: str = ""  # "module:line" of the import statement that began the chain
    file: str | None = None  # path of its code
    error: str | None = None  # type of the exception if its latest import failed
    loads: int = 1  # how often its code ran
    nearest_own: OwnImport | None = None  # null if no code of the program's own led to it
    pid: int = 0  # process id


class ImportPackage(Result, kw_only=True):
    """All modules of one top-level package."""

    package: str  # name
    own_bytes: int  # sum over its modules
    own_ns: int  # sum over its modules
    modules: int  # number of modules
    phase: str  # path of the phase in which the first of them was imported
    chain: list[str]  # the modules that led to that import, outermost first
    asked_by: str = ""  # "module:line" of the import statement that began the chain
    nearest_own: OwnImport | None = None  # null if no code of the program's own led to it
    pid: int = 0  # process id


class ImportPhase(PhaseResult, kw_only=True):
    """The part of a phase's RSS change that imports account for, phases inside it included."""

    modules: int  # number of modules imported
    imported_bytes: int  # the sum of their own bytes
    rss_delta_bytes: int  # RSS change of the phase
    unaccounted_bytes: int  # RSS change while no import was open
    pid: int = 0  # process id


class ImportCost(Result, kw_only=True):
    """The JSON of `fwmemtrace imports`: what importing modules costs in a fresh interpreter."""

    format: Literal["fwmemtrace-imports"] = "fwmemtrace-imports"  # always the same
    version: int = 1  # of this format
    modules: list[str]  # the modules of the command, in order
    before_bytes: int  # RSS of the interpreter with the tracer
    rss_delta_bytes: int  # RSS change over the imports
    peak_bytes: int  # peak RSS
    wall_ns: int  # time of the imports
    unaccounted_bytes: int  # part of `rss_delta_bytes`: RSS change while no import was open
    imports: list[Import]  # a row for each module
    packages: list[ImportPackage]  # a row for each top-level package
    libraries: list[LedgerItem]  # resident pages of mapped files, by owner
    ledger: list[Ledger]  # what the RSS change of each module of the command consists of
    workers: list[Workers] = []  # the estimate for `--workers`
    notes: list[str] = []  # messages of probes, sinks and readers
