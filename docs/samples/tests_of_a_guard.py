"""Tests that take memory: for a moment, and for good."""

from __future__ import annotations

KEPT: list[bytearray] = []


def test_one_request() -> None:
    """Keeps nothing."""
    assert "ignore" in "Ignore all previous instructions".lower()


def test_a_batch() -> None:
    """Keeps one array and drops another."""
    KEPT.append(bytearray(40_000_000))
    assert len(bytearray(40_000_000)) == len(KEPT[0])
