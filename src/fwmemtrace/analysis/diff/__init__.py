"""Compares two traces, or two groups of runs of one program: what changed by more than noise."""

from __future__ import annotations

from .compare import compare
from .sides import RunOfTrace

__all__ = ["RunOfTrace", "compare"]
