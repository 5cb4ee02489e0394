"""Tries what forked workers of each component copy."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from ..recording.session import Session
from ..records import SuiteForks
from .forks import RESULT, ForkResult
from .passes import Passes, component_pass


def try_forks(
    passes: Passes,
    recording: Session,
    folder: Path,
    components: Mapping[int, str],
    *,
    workers: int,
    timeouts: Mapping[int, float],
) -> None:
    """Forks workers of each component, and records what they copy.

    Args:
        passes: runs the processes.
        recording: the suite's own session.
        folder: a folder for temporary files.
        components: their names by position.
        workers: the number of workers that the service forks.
        timeouts: seconds for each.
    """
    wanted = [
        replace(
            component_pass(position, name, "forks", (), timeout=timeouts[position]),
            folder=tempfile.mkdtemp(dir=folder),
        )
        for position, name in components.items()
    ]
    for one, process in zip(wanted, passes.run(wanted), strict=True):
        if process.run.outcome == "ok":
            found = msgspec.json.decode(Path(one.folder, RESULT).read_bytes(), type=ForkResult)
            recording.record(SuiteForks(one.component, workers, found.copied_bytes, found.frozen_bytes))
