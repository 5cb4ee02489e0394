"""The session: joins probes and a sink, records what happens at the edges of phases, follows workers."""

from __future__ import annotations

from .lean_msgspec import import_msgspec

import_msgspec()
