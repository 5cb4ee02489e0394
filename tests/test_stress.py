"""What the trials say of themselves. The tests of what they try run them in their small form."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the trials importable, wherever pytest was started."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))


def test_a_trial_that_cannot_run_says_so_and_does_not_succeed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stress import __main__ as command
    from stress import overhead

    monkeypatch.setattr(overhead, "_NEEDS", ("json", "no_such_module"))
    assert command.main(["--here", "--small", "overhead"]) == 1
    assert capsys.readouterr().out == "overhead: NOT RUN: needs no_such_module\n"


def test_a_trial_of_which_a_part_is_left_out_says_which() -> None:
    from stress.outcome import Outcome, lack_of, not_run

    outcome = Outcome(3, left_out=[f"gevent ({lack_of(['json', 'no_such_module', 'nor_this'])})"])
    assert outcome.line("servers") == (
        "servers: 3 attacks: withstood; left out: gevent (needs no_such_module and nor_this)"
    )
    assert outcome.withstood
    outcome.expect(False, "2 of 3 served")
    assert "FAILED: 2 of 3 served" in outcome.line("servers")
    assert not outcome.withstood
    assert lack_of(["json"]) == ""
    assert not not_run("no compiler").withstood
