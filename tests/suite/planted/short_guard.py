"""The components of examples/guard_suite.py with few requests to the models: more take minutes and no other memory."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))

from guard_suite import components

FEW = {"embedding guard": 20, "NLI validator": 2}

for component in components:
    component.batch = FEW.get(component.name, component.batch)
