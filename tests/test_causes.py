"""Reports of programs whose cause is known, and the judge of `python -m causes`."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from fwmemtrace.units import format_bytes

ROOT = Path(__file__).parent.parent
FAST = ("cache_dict", "import_own_table", "spike", "mapped_weights", "allocator_retention", "queue_backlog")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the truth is read from /proc")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("causes.programs")


@pytest.fixture
def judge(programs: ModuleType) -> ModuleType:
    return import_module("causes.judge")


def program_of(programs: ModuleType, name: str, folder: str = "planted"):
    return programs.Program(ROOT / "causes" / folder / f"{name}.py")


def verdict_on(judge: ModuleType, program, *sentences: str, truth: int = 50_000_000, words: str = "", **report):
    told = {"kind": "a cause", "bytes": truth, "names": ["ANSWERS"], "words": words}
    text = "Summary\n" + "\n".join(sentences) + "\n\nPhases\n"
    empty = {"rises": None, "import_packages": None, "composition": None, "growth": None}
    programs = import_module("causes.programs")
    return judge.judge(program, programs.Run(f"a line\n{json.dumps(told)}\n", text, empty | report))


def line_of_cause(program) -> int:
    return next(n for n, line in enumerate(program.path.read_text().splitlines(), 1) if line.endswith("# cause"))


def test_there_are_twenty_of_each_kind_and_each_cause_is_marked(programs: ModuleType) -> None:
    found = list(programs.programs())
    assert sum(program.planted for program in found) >= 20
    assert sum(not program.planted for program in found) >= 20
    for program in found:
        assert bool(program.lines_to_blame()) == program.planted, program.name
        assert ("import tell" in program.path.read_text() or ", tell" in program.path.read_text()) == program.planted


def test_no_program_uses_fwmemtrace(programs: ModuleType) -> None:
    for program in programs.programs():
        assert "fwmemtrace" not in program.path.read_text(), program.name


def test_a_line_in_the_function_of_the_cause_names_it(programs: ModuleType, judge: ModuleType) -> None:
    program = program_of(programs, "cache_dict")
    line = line_of_cause(program)
    verdict = verdict_on(judge, program, f"52 MB of 60 MB came with `answer` (cache_dict.py:{line}).")
    assert (verdict.sentence, verdict.said_bytes, verdict.right) == (1, 52_000_000, True)
    last = len(program.path.read_text().splitlines())
    assert verdict_on(judge, program, f"52 MB of 60 MB came with cache_dict.py:{last}.").sentence is None
    assert verdict_on(judge, program, f"52 MB of 60 MB came with cache_dict.py:{line}0.").sentence is None
    assert verdict_on(judge, program, "52 MB of 60 MB are held by `ANSWERS`.").right


def test_a_cause_in_the_fourth_sentence_is_not_named_first(programs: ModuleType, judge: ModuleType) -> None:
    program = program_of(programs, "cache_dict")
    verdict = verdict_on(judge, program, "One.", "Two.", "Three.", "50 MB are in `ANSWERS`.")
    assert verdict.sentence == 4
    assert not verdict.named_first
    assert not verdict.right


def test_bytes_are_right_within_ten_percent(programs: ModuleType, judge: ModuleType) -> None:
    program = program_of(programs, "cache_dict")
    for said, right in ((45_000_000, True), (44_000_000, False), (55_000_000, True), (56_000_000, False)):
        verdict = verdict_on(judge, program, f"{format_bytes(said)} are in `ANSWERS`.")
        assert verdict.named_first
        assert verdict.right == right


def test_words_are_needed_beside_the_name(programs: ModuleType, judge: ModuleType) -> None:
    program = program_of(programs, "cache_dict")
    assert verdict_on(judge, program, "50 MB are in `ANSWERS`.", words="freed").sentence is None
    assert verdict_on(judge, program, "50 MB are in `ANSWERS` (cache_dict.py:16).", words="cache").sentence is None
    assert verdict_on(judge, program, "50 MB are in `ANSWERS`.", "They were freed.", words="freed").right


def test_a_verdict_on_a_control_is_a_complaint(programs: ModuleType, judge: ModuleType) -> None:
    control = program_of(programs, "cache_dict_bounded", "controls")
    assert verdict_on(judge, control, "20 MB of 25 MB are imports.").right
    assert not verdict_on(judge, control, "`handle` grows by 1 MB per call.").right
    growth = [{"path": "main", "verdict": "saturating", "metric": "rss"}]
    assert verdict_on(judge, control, "One.", growth=growth).complaints == ["growth: main is saturating by rss"]


def test_verdicts_of_a_run_replace_those_of_the_same_programs(judge: ModuleType, tmp_path: Path) -> None:
    table = import_module("causes.table")
    path = tmp_path / "causes.json"
    first = judge.Verdict("one", "a cause", ["Said."], truth_bytes=100_000_000)
    second = judge.Verdict("one", "a cause", ["Said."], 1, 100_000_000, 95_000_000)
    control = judge.Verdict("one", "", [])
    table.save(path, "first run", [first, control])
    table.save(path, "first run", [second])
    kept = table.load(path)["first run"]
    assert kept == {"planted/one": second, "controls/one": control}
    text = table.markdown("first run", list(kept.values()))
    assert "1 of 1 causes are named first, 1 of them" in text
    assert "| `one` | a cause | 100.0 MB | 95.0 MB | yes | right | Said. |" in text
    assert "1 of 1 controls have no verdict" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_the_first_run_names_the_cause_with_its_bytes(
    programs: ModuleType, judge: ModuleType, tmp_path: Path, name: str
) -> None:
    program = program_of(programs, name)
    verdict = judge.judge(program, programs.run(program, tmp_path))
    assert verdict.named_first, verdict
    assert verdict.bytes_right, verdict


@pytest.mark.slow
def test_a_control_has_no_verdict(programs: ModuleType, judge: ModuleType, tmp_path: Path) -> None:
    program = program_of(programs, "list_drained", "controls")
    assert judge.judge(program, programs.run(program, tmp_path)).complaints == []


@pytest.mark.slow
def test_a_program_is_skipped_without_its_package(programs: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import a_package_that_is_not_installed\n")
    with pytest.raises(programs.SkippedError, match="a_package_that_is_not_installed"):
        programs.run(programs.Program(path), tmp_path)
