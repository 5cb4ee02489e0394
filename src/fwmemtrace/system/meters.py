"""Chooses the meter for the system that this runs on."""

from __future__ import annotations

from ..foreign_errors import pass_on
from .meter import Meter


def open_meter(*, exact_peak: bool = True) -> Meter:
    """Open the best meter that works here.

    Args:
        exact_peak: whether the kernel's high-water mark may be reset; otherwise peaks are those of the readings.
    """
    try:
        from .proc_meter import ProcMeter

        return ProcMeter(exact_peak=exact_peak)
    except (OSError, ImportError, ValueError) as error:
        pass_on(error)
        from .psutil_meter import PsutilMeter

        return PsutilMeter()
