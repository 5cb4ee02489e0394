"""memray's own capture, byte for byte, so that every reporter of memray works on it."""

from __future__ import annotations

import shutil
from pathlib import Path

from .base import TraceLike


class MemrayExporter:
    """Gives back the capture of a session with the probe `native`."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        with trace.capture() as capture:
            shutil.copyfile(capture, out_path)
