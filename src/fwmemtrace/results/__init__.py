"""What analysis produces, and so what the JSON report contains.

A module for each subject: `report` is the whole, `suite` the part about component suites.
"""

from __future__ import annotations

from .base import PhaseResult, Result
from .growth import Growth
from .imports import Import, ImportCost, ImportPackage, ImportPhase, OwnImport
from .ledger import Composition, Ledger, LedgerItem, Workers
from .native import Frame, Native, NativeSite, NativeTotals
from .objects import Collector, Holder, HolderStep, Objects, TypeGrowth
from .phases import PhaseRow, Resident
from .process import Cgroup, Overhead, Process, TimelinePoint, TraceInfo
from .python_heap import HeapLine, HeapPackage, HeapSite, HeapStack, PythonHeap
from .report import REPORT_FORMAT, REPORT_VERSION, Advice, Budget, Run, TraceReport
from .rises import Rise, RiseLine, Rises
from .summary import Cause, CopiedPages, ImportedPackages, NextRun, Summary, Untouched
from .tensors import Accelerator, TensorGroup, Tensors, TensorStorage

__all__ = [
    "REPORT_FORMAT",
    "REPORT_VERSION",
    "Accelerator",
    "Advice",
    "Budget",
    "Cause",
    "Cgroup",
    "Collector",
    "Composition",
    "CopiedPages",
    "Frame",
    "Growth",
    "HeapLine",
    "HeapPackage",
    "HeapSite",
    "HeapStack",
    "Holder",
    "HolderStep",
    "Import",
    "ImportCost",
    "ImportPackage",
    "ImportPhase",
    "ImportedPackages",
    "Ledger",
    "LedgerItem",
    "Native",
    "NativeSite",
    "NativeTotals",
    "NextRun",
    "Objects",
    "Overhead",
    "OwnImport",
    "PhaseResult",
    "PhaseRow",
    "Process",
    "PythonHeap",
    "Resident",
    "Result",
    "Rise",
    "RiseLine",
    "Rises",
    "Run",
    "Summary",
    "TensorGroup",
    "TensorStorage",
    "Tensors",
    "TimelinePoint",
    "TraceInfo",
    "TraceReport",
    "TypeGrowth",
    "Untouched",
    "Workers",
]
