"""What analysis produces, and so what the JSON report contains.

A module for each subject: `report` is the whole, `suite` the part about component suites.
"""

from __future__ import annotations

from .base import PhaseResult, Result
from .details import CallLevels, Calls, Details, Mark, ProcessDetails, Readings, SourceFile, StackTree
from .growth import Growth
from .heap import Heap, HeapStackSample
from .imports import Import, ImportCost, ImportPackage, ImportPhase, OwnImport
from .ledger import Composition, Ledger, LedgerItem, Workers
from .native import Frame, Native, NativeSite, NativeTotals
from .objects import Collector, Holder, HolderStep, Objects, TypeGrowth
from .phases import PhaseRow, Resident
from .process import AddressSpace, Cgroup, Overhead, Process, TimelinePoint, TraceInfo
from .python_heap import HeapLine, HeapPackage, HeapSite, HeapStack, PythonHeap
from .report import REPORT_FORMAT, REPORT_VERSION, Advice, Budget, Run, TraceReport
from .rises import Rise, RiseLine, Rises
from .summary import Cause, CausePart, CopiedPages, ImportedPackages, NextRun, OutOfMemory, Summary, Untouched
from .tensors import Accelerator, TensorGroup, Tensors, TensorStorage

__all__ = [
    "REPORT_FORMAT",
    "REPORT_VERSION",
    "Accelerator",
    "AddressSpace",
    "Advice",
    "Budget",
    "CallLevels",
    "Calls",
    "Cause",
    "CausePart",
    "Cgroup",
    "Collector",
    "Composition",
    "CopiedPages",
    "Details",
    "Frame",
    "Growth",
    "Heap",
    "HeapLine",
    "HeapPackage",
    "HeapSite",
    "HeapStack",
    "HeapStackSample",
    "Holder",
    "HolderStep",
    "Import",
    "ImportCost",
    "ImportPackage",
    "ImportPhase",
    "ImportedPackages",
    "Ledger",
    "LedgerItem",
    "Mark",
    "Native",
    "NativeSite",
    "NativeTotals",
    "NextRun",
    "Objects",
    "OutOfMemory",
    "Overhead",
    "OwnImport",
    "PhaseResult",
    "PhaseRow",
    "Process",
    "ProcessDetails",
    "PythonHeap",
    "Readings",
    "Resident",
    "Result",
    "Rise",
    "RiseLine",
    "Rises",
    "Run",
    "SourceFile",
    "StackTree",
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
