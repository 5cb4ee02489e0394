"""Text from a trace, safe to print; see `values.visible`."""

from __future__ import annotations

from ..values import visible

__all__ = ["visible"]
