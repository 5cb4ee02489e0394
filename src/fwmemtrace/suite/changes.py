"""Applies the changes of a trial in the process that measures it. Nothing of it touches the program's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..analysis.suite.stages import SHARED
from ..records import SuiteArrays, SuiteChange, SuiteDeferred, SuiteTwin
from ..tracing.phases import phase

VARIANT, MOVE, DEFER, VARIABLE, OPTION = "variant", "move import", "defer import", "variable", "option"
SHARE, TRIM, SPLIT, MODEL, BOUND = "share", "trim", "split", "model", "bound dict"


class Changes:
    """The changes of one process; what no change needs is not imported.

    Args:
        changes: what to change. Variables are set, and components left out, by who starts the process.
        where: returns the current phase.
    """

    def __init__(self, changes: Sequence[SuiteChange], where: Callable[[], str]) -> None:
        self._changes = changes
        self._where = where
        self._deferral: Any = None
        self._trim: Callable[[], Any] | None = None
        self._share: tuple[Callable[[], list[SuiteTwin]], ...] = ()
        self._twins: list[SuiteTwin] = []
        self._bound: Callable[[], None] | None = None

    def install(self) -> None:
        """Prepare everything before the first component is imported, so that no phase counts its cost."""
        if moved := self._subjects(MOVE):
            from .import_edit import MovedImports

            places = [place.rpartition(":") for place in moved]
            MovedImports([(file, int(line)) for file, _, line in places]).install()
        from .library_options import SLEEP, LibraryOptions

        LibraryOptions([SLEEP, *self._subjects(OPTION)]).install()
        if modules := self._subjects(DEFER):
            from .deferred import Deferral

            self._deferral = Deferral(modules, self._where)
            self._deferral.install()
        if any(change.kind == TRIM for change in self._changes):
            from ..system.trim import find_trim

            self._trim = find_trim()
        if any(change.kind == SHARE for change in self._changes):
            from .shared_arrays import share_equal_arrays
            from .shared_tensors import share_equal_tensors

            self._share = (share_equal_tensors, share_equal_arrays)

    def variant_of(self, component: str) -> str:
        """Return the variant to make in place of a component; "" for the component as it is."""
        chosen = (
            change.subject for change in self._changes if change.kind == VARIANT and change.component == component
        )
        return next(chosen, "")

    def component_made(self, component: str, instance: Any) -> None:
        """Do what is due when a component has been made."""
        self._bound = None
        if names := [one.subject for one in self._changes if one.kind == BOUND and one.component == component]:
            from .growing_dicts import DictBounds

            self._bound = DictBounds(names, instance).apply
        self.requests_answered()

    def share_equal(self) -> None:
        """Let equal tensors and arrays of the components be one, if that is a change."""
        if self._share:
            with phase(SHARED):
                for share in self._share:
                    self._twins += share()

    @property
    def after_request(self) -> Callable[[], None] | None:
        """What is due after each request of the component that was made last; None for nothing."""
        return self._bound

    def requests_answered(self) -> None:
        """Do what is due after requests."""
        if self._trim is not None:
            self._trim()

    def deferred(self) -> SuiteDeferred | None:
        """Return which modules stayed unloaded; None if none was deferred."""
        record: SuiteDeferred | None = None if self._deferral is None else self._deferral.record()
        return record

    def shared(self) -> SuiteArrays | None:
        """Return what was shared among the components; None if that was not asked for."""
        return SuiteArrays([], self._twins) if self._share else None

    def _subjects(self, kind: str) -> list[str]:
        return [change.subject for change in self._changes if change.kind == kind]
