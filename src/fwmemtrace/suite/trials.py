"""Tries changes on each component alone: variants, edits of imports, options of libraries, the allocator."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from ..analysis.suite.agreement import agreement, all_equal
from ..analysis.suite.reading import SuiteProcess
from ..analysis.suite.statements import packages_named
from ..analysis.suite.unused import is_suite_file, with_suite_file
from ..recording.session import Session
from ..records import SuiteChange, SuiteMove
from .candidates import (
    VARIABLES,
    WORTH_A_TRIAL,
    OwnLine,
    dicts_to_bound,
    lines_saved,
    options,
    own_lines,
    saves,
    trimmed_bytes,
    unused_roots,
    used_modules,
)
from .changes import BOUND, DEFER, VARIABLE
from .import_edit import plan_move
from .passes import Pass, Passes, component_pass
from .protocol import SuiteEntry

_DEFERRED_AT_MOST = 3
_MOVED_AT_MOST = 4  # lines of each component
_MOVED_TOGETHER = 6  # lines that the plan looks at


class Trials:
    """The trials of all components.

    Args:
        passes: runs the processes.
        recording: the suite's own session.
        repeat: runs used to compute a spread.
        skip: purposes of processes to leave out.
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
    """

    def __init__(self, passes: Passes, recording: Session, *, repeat: int, skip: Collection[str], spec: str) -> None:
        self._passes = passes
        self._recording = recording
        self._repeat = repeat
        self._skip = skip
        self._spec = spec
        self._looked_at: dict[tuple[str, int], SuiteMove] = {}
        self._packages: dict[SuiteChange, list[str]] = {}
        self._moves: dict[SuiteChange, int] = {}
        self._useful: set[SuiteChange] = set()  # of the moves, those that saved memory of a component alone
        self._bounds: list[SuiteChange] = []
        self._broken: set[SuiteChange] = set()
        self._deferred: list[SuiteProcess] = []

    def run(
        self,
        measured: Mapping[int, SuiteEntry],
        light: Mapping[int, SuiteProcess],
        use: Mapping[int, SuiteProcess],
        variants: Mapping[Pass, SuiteProcess],
    ) -> list[SuiteProcess]:
        """Runs all trials, and returns their processes.

        Args:
            measured: the components by position.
            light: a run of each with the light probes.
            use: for each, the pass that watched which modules it uses.
            variants: passes of variants that worked, to be repeated, with their processes.
        """
        anywhere = {module for process in use.values() for module in used_modules(process) or ()}
        wanted = [
            replace(one, repetition=repetition, answers=False)
            for one in variants
            for repetition in range(1, self._repeat)
        ]
        roots: dict[int, list[str]] = {}
        for position, one in light.items():
            passes, roots[position] = self._wanted_of(position, measured[position], one, use.get(position), anywhere)
            wanted += passes
        edits = self._moved_with(variants) if "trial" not in self._skip else {}
        done = self._passes.run([*wanted, *edits])
        tried, with_edits = [*zip(wanted, done, strict=False)], done[len(wanted) :]
        alone = [
            single
            for one, process in tried
            if one.purpose == "deferred"
            for single in self._deferred_alone(one.positions[0], roots[one.positions[0]], process)
        ]
        saving = _saving((pair for pair in tried if pair[0].purpose == "trial"), light)
        self._useful.update(one.changes[0] for one in saving)
        later = self._passes.run([*alone, *self._again(saving)])
        done += later
        for process in done:
            if process.run.purpose == "trial" and process.run.outcome != "ok" and len(process.run.changes) == 1:
                self._broken.update(process.run.changes)
        answers = {measured[position].name: one.own.answers for position, one in use.items()}
        for process in done:
            found = agreement(answers.get(process.run.component), process.own.answers)
            if any(change.kind == BOUND for change in process.run.changes) and not all_equal(found):
                self._broken.update(process.run.changes)  # what it forgets was not only a cache
        for lines, process in zip(edits.values(), with_edits, strict=True):
            for line, size in lines_saved(lines, process):
                self._add_move(line, size)
                self._useful.add(line.change)
        singles = [*zip(alone, later, strict=False), *(pair for pair in tried if _defers_one(pair[0]))]
        again = self._passes.run(self._again(_saving(singles, light)))
        self._deferred = [*(process for _, process in singles), *again]
        return [*done, *again]

    def _wanted_of(
        self, position: int, entry: SuiteEntry, one: SuiteProcess, use: SuiteProcess | None, anywhere: set[str]
    ) -> tuple[list[Pass], list[str]]:
        """Returns the passes of one component, and the modules whose import can be deferred.

        Args:
            position: of the component.
            entry: the component.
            one: a run of it with the light probes.
            use: the pass that watched which modules it uses.
            anywhere: the modules that any component uses.
        """
        wanted: list[Pass] = []
        name, used = entry.name, used_modules(use)
        if used is not None and one.report is not None and one.report.imports is not None:
            used = with_suite_file(one.report.imports, used, anywhere, self._spec)
        if "trial" not in self._skip:
            wanted += self._edits(position, name, one, used, anywhere, options([use]))
            bounds = dicts_to_bound(entry, one, use)
            wanted += [
                component_pass(
                    position,
                    name,
                    "trial",
                    variant=change.subject,
                    changes=[change],
                    answers=True,
                )
                for change in bounds
            ]
            self._bounds += bounds
        if "arenas" not in self._skip and trimmed_bytes(one) >= WORTH_A_TRIAL:
            wanted += [
                component_pass(
                    position, name, "arenas", variant=variable, changes=[SuiteChange(VARIABLE, "", variable)]
                )
                for variable in VARIABLES
            ]
        roots = unused_roots(one, used) if "deferred" not in self._skip else []
        if roots:
            # A library reads most of what it imports at once: one process shows what can be deferred at all.
            wanted.append(_defer(position, name, roots))
        return wanted, roots

    def worked(self, uses: Iterable[SuiteProcess]) -> list[SuiteChange]:
        """Returns the edits of imports, deferred imports and options that broke no component.

        Args:
            uses: the passes that watched what the components use.
        """
        moves = sorted(self._moves, key=lambda change: -self._moves[change])
        sound = [change for change in moves if change not in self._broken][:_MOVED_TOGETHER]
        edited = {package for change in sound if change in self._useful for package in self._packages[change]}
        deferred = dict.fromkeys(
            change
            for one in self._deferred
            if _stayed(one)
            for change in one.run.changes
            if change.subject.partition(".")[0] not in edited  # an edit of the program says more
        )
        if "trial" not in self._skip:
            sound += [change for change in (*options(uses), *self._bounds) if change not in self._broken]
        return [*sound, *deferred]

    def _edits(
        self,
        position: int,
        name: str,
        light: SuiteProcess,
        used: frozenset[str] | None,
        anywhere: Collection[str],
        settings: Sequence[SuiteChange],
    ) -> Iterator[Pass]:
        """Yields the passes that move an import statement, or set an option."""
        packages = {module.partition(".")[0] for module in anywhere}
        lines = [
            line
            for line in own_lines(light, used)
            if self._can_move(line) and not (self._in_suite_file(line) and packages & {*self._named(line)})
        ][:_MOVED_AT_MOST]
        for line in lines:
            self._add_move(line, line.bytes)
        for change in (*(line.change for line in lines), *settings):
            yield component_pass(position, name, "trial", variant=change.subject, changes=[change])

    def _moved_with(self, variants: Mapping[Pass, SuiteProcess]) -> dict[Pass, list[OwnLine]]:
        """Returns for each variant a pass that also moves what it imports: the variant may not use all of it.

        The component as it is uses it, so that only the variant and the edit together save anything.
        """
        wanted = {}
        for one, process in variants.items():
            imported = [line for line in own_lines(process, frozenset()) if line.change not in self._moves]
            if lines := [line for line in imported if self._can_move(line)][:_MOVED_AT_MOST]:
                changes = (*one.changes, *(line.change for line in lines))
                variant = f"{one.variant}, with moved imports"
                wanted[replace(one, purpose="trial", variant=variant, changes=changes, answers=False)] = lines
        return wanted

    def _add_move(self, line: OwnLine, size: int) -> None:
        self._packages[line.change] = self._named(line)
        self._moves[line.change] = max(size, self._moves.get(line.change, 0))

    def _named(self, line: OwnLine) -> list[str]:
        return packages_named(self._looked_at[line.file, line.line].statement)

    def _in_suite_file(self, line: OwnLine) -> bool:
        """Tells whether a line is in the suite file, whose imports every component pays for."""
        return is_suite_file(line.file, self._spec)

    def _can_move(self, line: OwnLine) -> bool:
        """Looks at a statement of the program, once, and records what it found."""
        key = (line.file, line.line)
        if key not in self._looked_at:
            move = msgspec.structs.replace(plan_move(*key), line=line.line)
            self._recording.record(move)
            self._looked_at[key] = move
        return not self._looked_at[key].problem

    def _deferred_alone(self, position: int, roots: Sequence[str], trial: SuiteProcess) -> Iterator[Pass]:
        """Yields the passes that defer one import each, of those that one process has shown to be possible."""
        if len(roots) == 1:
            return  # that process has tried it alone
        deferred = trial.own.deferred if trial.run.outcome == "ok" else None
        if deferred is not None:
            roots = [root for root in roots if root in deferred.put_off and root not in deferred.loaded]
        for root in roots[:_DEFERRED_AT_MOST]:
            yield _defer(position, trial.run.component, [root])

    def _again(self, passes: Sequence[Pass]) -> list[Pass]:
        """Returns as many further runs of each pass as a spread needs."""
        return [replace(one, repetition=repetition) for one in passes for repetition in range(1, self._repeat)]


def _saving(tried: Iterable[tuple[Pass, SuiteProcess]], light: Mapping[int, SuiteProcess]) -> list[Pass]:
    """Returns the passes that seem to save memory."""
    return [one for one, process in tried if saves(light[one.positions[0]], process)]


def _defer(position: int, name: str, roots: Sequence[str], repetition: int = 0) -> Pass:
    changes = [SuiteChange(DEFER, "", root) for root in roots]
    return component_pass(position, name, "deferred", repetition=repetition, variant=", ".join(roots), changes=changes)


def _defers_one(one: Pass) -> bool:
    return one.purpose == "deferred" and len(one.changes) == 1


def _stayed(process: SuiteProcess) -> bool:
    """Tells whether every module that a process deferred stayed unloaded."""
    deferred = process.own.deferred
    return (
        process.run.outcome == "ok"
        and deferred is not None
        and not deferred.loaded
        and set(deferred.asked) <= set(deferred.put_off)
    )
