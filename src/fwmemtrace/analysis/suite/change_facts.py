"""What a change that a trial made means for the user: an action, and where to do it."""

from __future__ import annotations

from collections.abc import Mapping

from ...records import SuiteArrays, SuiteChange, SuiteMove
from ...results.suite import Action, SuiteFact
from .evidence import fact
from .import_levers import SERVICE
from .reading import SuiteProcess
from .stages import imported_by_program

_ACTION_OF: dict[str, Action] = {
    "variant": "use variant",
    "move import": "move import",
    "defer import": "remove import",
    "variable": "set variable",
    "option": "set option",
    "share": "share equal tensors",
    "trim": "trim allocator",
    "model": "run model",
    "bound dict": "bound dict",
}


def action_of(change: SuiteChange) -> Action:
    """Returns what the change does, in the words of the decision matrix."""
    return _ACTION_OF[change.kind]


def component_of(change: SuiteChange) -> str:
    """Returns the component that the change is about."""
    return change.component or SERVICE


def edit_facts(change: SuiteChange, moves: Mapping[str, SuiteMove]) -> list[SuiteFact]:
    """Returns which line of the program to edit, and what to move where."""
    move = moves.get(change.subject) if change.kind == "move import" else None
    if move is None:
        return []
    facts = [fact("own line", names=[change.subject, move.statement])]
    facts.append(fact("moves into", names=move.into) if move.into else fact("not used there"))
    return facts


def import_facts(change: SuiteChange, process: SuiteProcess | None) -> list[SuiteFact]:
    """Returns what imports a module that a change defers, in a process of the service as it is."""
    imports = process.report.imports if process is not None and process.report is not None else None
    chains = (row.chain for row in imports or () if row.module == change.subject and imported_by_program(row.phase))
    chain = next(chains, []) if change.kind == "defer import" else []
    return [fact("imported by", names=chain)] if chain else []


def twin_facts(arrays: SuiteArrays | None) -> list[SuiteFact]:
    """Returns which tensors and arrays are held more than once."""
    if arrays is None or not arrays.twins:
        return []
    facts = [fact("equal tensors", counts=[len(arrays.twins)])]
    for twin in arrays.twins:
        names, counts = [twin.library, twin.dtype, *twin.names], [twin.copies, *twin.shape]
        facts.append(fact("equal tensor", twin.bytes, names=names, counts=counts))
    return facts
