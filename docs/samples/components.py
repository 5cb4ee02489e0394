"""The two components of examples/guard_suite.py that need no model: a suite of them takes seconds."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from guard import RegexGate
from guard_suite import TEXTS, Sessions, check_patterns

from fwmemtrace.suite import Component

components = [Component("pattern gate", RegexGate, check_patterns, TEXTS), Sessions()]
