"""The records of a trace: one class for each kind, and the version of the schema that they belong to.

A record is written as a MessagePack array of its fields in the order of the class (`array_like`). New fields are added
at the end, with a default: an older reader ignores them, a newer one fills them in. The number of a kind is never
reused. All sizes are in bytes, and all times in nanoseconds of the monotonic clock unless the name says otherwise.
A process that is traced loads only the records that it writes.
"""

from __future__ import annotations

from ..lazy import load_when_used
from .base import SCHEMA_VERSION, AttributeValue, Record

_MODULES = {
    "session": (
        "CallTotals",
        "Note",
        "Overhead",
        "SessionBegin",
        "SessionEnd",
        "TracePart",
    ),
    "phases": (
        "PhaseAttributes",
        "PhaseBegin",
        "PhaseEnd",
        "UnmeasuredCalls",
    ),
    "resident": (
        "AddressSpaceLimit",
        "CgroupReading",
        "Footprint",
        "PagesCopied",
        "RssChange",
        "Sample",
        "SampledStack",
        "Snapshot",
        "ThreadStack",
    ),
    "mappings": (
        "AllocatorFigures",
        "MappingRow",
        "MappingsEdge",
        "MappingsReading",
        "PoolFigures",
    ),
    "imports": ("ModuleImport",),
    "native": (
        "CaptureChunk",
        "MappedLibrary",
    ),
    "python_heap": (
        "HeapRow",
        "PackageRow",
        "PythonHeap",
        "StackRow",
    ),
    "objects": (
        "HolderStep",
        "ObjectCensus",
        "ObjectHolder",
        "ObjectRow",
    ),
    "tensors": (
        "AcceleratorMemory",
        "TensorCensus",
        "TensorRow",
        "TensorStorage",
    ),
    "collector": (
        "Collections",
        "FullCollection",
    ),
    "suite": (
        "SuiteAnswers",
        "SuiteArray",
        "SuiteArrays",
        "SuiteBegin",
        "SuiteChange",
        "SuiteDeferred",
        "SuiteEnd",
        "SuiteForks",
        "SuiteMember",
        "SuiteModel",
        "SuiteModelWay",
        "SuiteMove",
        "SuiteRun",
        "SuiteTwin",
        "SuiteUse",
        "SuiteWorkers",
    ),
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .collector import Collections, FullCollection
    from .imports import ModuleImport
    from .mappings import AllocatorFigures, MappingRow, MappingsEdge, MappingsReading, PoolFigures
    from .native import CaptureChunk, MappedLibrary
    from .objects import HolderStep, ObjectCensus, ObjectHolder, ObjectRow
    from .phases import PhaseAttributes, PhaseBegin, PhaseEnd, UnmeasuredCalls
    from .python_heap import HeapRow, PackageRow, PythonHeap, StackRow
    from .resident import (
        AddressSpaceLimit,
        CgroupReading,
        Footprint,
        PagesCopied,
        RssChange,
        Sample,
        SampledStack,
        Snapshot,
        ThreadStack,
    )
    from .session import CallTotals, Note, Overhead, SessionBegin, SessionEnd, TracePart
    from .suite import (
        SuiteAnswers,
        SuiteArray,
        SuiteArrays,
        SuiteBegin,
        SuiteChange,
        SuiteDeferred,
        SuiteEnd,
        SuiteForks,
        SuiteMember,
        SuiteModel,
        SuiteModelWay,
        SuiteMove,
        SuiteRun,
        SuiteTwin,
        SuiteUse,
        SuiteWorkers,
    )
    from .tensors import AcceleratorMemory, TensorCensus, TensorRow, TensorStorage
else:
    __getattr__, __dir__ = load_when_used(__name__, _MODULES)

__all__ = [
    "SCHEMA_VERSION",
    "AcceleratorMemory",
    "AddressSpaceLimit",
    "AllocatorFigures",
    "AttributeValue",
    "CallTotals",
    "CaptureChunk",
    "CgroupReading",
    "Collections",
    "Footprint",
    "FullCollection",
    "HeapRow",
    "HolderStep",
    "MappedLibrary",
    "MappingRow",
    "MappingsEdge",
    "MappingsReading",
    "ModuleImport",
    "Note",
    "ObjectCensus",
    "ObjectHolder",
    "ObjectRow",
    "Overhead",
    "PackageRow",
    "PagesCopied",
    "PhaseAttributes",
    "PhaseBegin",
    "PhaseEnd",
    "PoolFigures",
    "PythonHeap",
    "Record",
    "RssChange",
    "Sample",
    "SampledStack",
    "SessionBegin",
    "SessionEnd",
    "Snapshot",
    "StackRow",
    "SuiteAnswers",
    "SuiteArray",
    "SuiteArrays",
    "SuiteBegin",
    "SuiteChange",
    "SuiteDeferred",
    "SuiteEnd",
    "SuiteForks",
    "SuiteMember",
    "SuiteModel",
    "SuiteModelWay",
    "SuiteMove",
    "SuiteRun",
    "SuiteTwin",
    "SuiteUse",
    "SuiteWorkers",
    "TensorCensus",
    "TensorRow",
    "TensorStorage",
    "ThreadStack",
    "TracePart",
    "UnmeasuredCalls",
]


def kinds() -> dict[int, type[Record]]:
    """Return every record class by its number, as in the frames of a trace file."""
    for module in _MODULES:
        __import__(f"{__name__}.{module}")
    return {cls.kind: cls for cls in _subclasses(Record)}


def _subclasses(base: type[Record]) -> list[type[Record]]:
    return [cls for direct in base.__subclasses__() for cls in (direct, *_subclasses(direct))]
