"""Traces as objects: `read` opens the files of a session, and a `Trace` answers questions about them."""

from __future__ import annotations

from .capture import capture_of
from .process import TracedProcess
from .trace import Trace, read

__all__ = ["Trace", "TracedProcess", "capture_of", "read"]
