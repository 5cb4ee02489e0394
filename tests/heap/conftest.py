"""Libraries with tensors and arrays, where they are installed."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def numpy():
    return pytest.importorskip("numpy")
