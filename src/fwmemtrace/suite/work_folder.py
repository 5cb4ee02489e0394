"""The folder of a running suite, and those that suites have left which were killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX = "fwmemtrace-suite-"
_LOCK = "lock"  # locked as long as the suite runs, which the kernel sees to however it ends


@contextmanager
def work_folder() -> Iterator[str]:
    """Makes a folder for temporary files, removes it at the end, and removes those of suites that were killed."""
    if fcntl is not None:
        _remove_stale(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        if fcntl is None:
            yield folder
            return
        with open(os.path.join(folder, "new"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, os.path.join(folder, _LOCK))  # nobody sees it before it is locked
            yield folder


def _remove_stale(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), path.open("rb") as lock:  # of another user, or in use
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
