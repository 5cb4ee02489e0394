"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import gc
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import fwmemtrace

pytestmark = pytest.mark.slow
pytest_plugins = ["pytester"]

EXAMPLES = Path(__file__).parents[2] / "examples"
TESTS = """
import mmap
import pytest

KEPT = []

def new_memory(size):
    block = mmap.mmap(-1, size)
    for start in range(0, size, mmap.PAGESIZE):
        block[start] = 1
    return block
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs tests with this plugin and no other that the environment happens to have."""

    def run_tests(body: str, *arguments: str, ini: str = "", plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        pytester.makepyfile(test_it=TESTS + body, fw_heavy="TABLE = list(range(100_000))")
        pytester.makeini(f"[pytest]\n{ini}")
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        names = [
            argument for plugin in ("fwmemtrace.integrations.pytest_plugin", *plugins) for argument in ("-p", plugin)
        ]
        return pytester.runpytest_subprocess(*names, *arguments)

    return run_tests


@pytest.mark.parametrize(
    ("marker", "body", "message"),
    [
        (
            'limit_rss("30 MB")',
            "KEPT.append(new_memory(40_000_000))",
            "RSS rose by 40.* MB, over the limit of 30*",
        ),
        ('limit_peak("30 MB")', "new_memory(40_000_000).close()", "RSS peaked * MB above the start of the test, *"),
        ('limit_imports("10 kB")', "import fw_heavy", "its imports took * over the limit of 10.0 kB*"),
        ('limit_growth("1 kB")', "KEPT.append(bytearray(3000))", "allocated memory grew by 3.* kB per call over 200 *"),
        ('limit_growth("1 kB", calls=60, warmup=1)', "KEPT.append(new_memory(50_000))", "RSS grew by 5* kB per call *"),
        (
            'limit_allocated("10 MB")',
            "for _ in range(11): bytearray(10**6)",
            "it allocated 11.* MB, over the limit *",
        ),
    ],
)
def test_a_limit_that_is_exceeded_fails_the_test(run: Any, marker: str, body: str, message: str) -> None:
    result = run(f"@pytest.mark.{marker}\ndef test_it():\n    {body}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])


def test_limits_that_are_kept_change_nothing(run: Any) -> None:
    result = run(
        """
@pytest.mark.limit_rss("30 MB")
def test_freed(): new_memory(40_000_000).close()

@pytest.mark.limit_peak("50 MB")
def test_peak(): new_memory(40_000_000).close()

@pytest.mark.limit_growth("1 kB", calls=40, warmup=5)
def test_growth(): bytearray(100_000)

@pytest.mark.limit_growth("9 kB", calls=40, warmup=5)
def test_slow_growth(): KEPT.append(bytearray(3000))

@pytest.mark.limit_allocated("12 MB")
def test_allocated():
    for _ in range(11): bytearray(10**6)

@pytest.mark.xfail(strict=True)
@pytest.mark.limit_rss("1 MB")
def test_expected(): KEPT.append(new_memory(40_000_000))
"""
    )
    result.assert_outcomes(passed=5, xfailed=1)
    assert "memory by test" not in result.stdout.str()


def test_a_failure_of_the_test_itself_is_not_hidden(run: Any) -> None:
    result = run(
        "@pytest.mark.limit_rss('1 MB')\ndef test_it():\n    KEPT.append(new_memory(40_000_000))\n    assert 1 == 2\n"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert 1 == 2"])
    assert "limit_rss)" not in result.stdout.str()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("limit_rss", "*limit_rss takes one size, such as limit_rss('300 MB')"),
        ("limit_peak('much')", "*limit_peak: *much*"),
        ("limit_growth('1 kB', calls=3)", "*calls=3, warmup=20; a verdict needs at least 30 calls"),
    ],
)
def test_a_marker_with_bad_arguments_ends_the_run_with_one_line(run: Any, marker: str, message: str) -> None:
    result = run(f"@pytest.mark.{marker}\ndef test_it(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert "Traceback" not in result.stderr.str()


def test_without_option_or_marker_nothing_is_measured(run: Any) -> None:
    result = run(
        "def test_it():\n"
        "    import sys\n"
        "    assert 'fwmemtrace.recording.session' not in sys.modules\n"
        "    assert 'fwmemtrace.integrations.pytest_plugin.measuring' not in sys.modules\n"
    )
    result.assert_outcomes(passed=1)


HEAVY_AND_LIGHT = """
def test_light(): pass

@pytest.fixture
def big(): return KEPT.append(new_memory(20_000_000))

def test_heavy(big): KEPT.append(new_memory(40_000_000))
"""
HEAVIEST = "*40.* MB*40.* MB*20.* MB* test_it.py::test_heavy"


def test_the_table_trace_and_junit_file_have_each_test(run: Any, pytester: pytest.Pytester) -> None:
    result = run(HEAVY_AND_LIGHT, "--fwmemtrace", "--fwmemtrace-bin-path=memory", "--junitxml=junit.xml")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["* memory by test (fwmemtrace) *", "*peak*change*", "*40.* MB*40.* MB  test_it.py::test_heavy"]
    )
    result.stdout.fnmatch_lines(["RSS: * at the start, * at the end, * at its highest; trace: */memory/tests.bin"])
    trace = fwmemtrace.read(pytester.path / "memory" / "tests.bin")
    assert trace.summary().trace.complete
    setup, call = (trace["test_it.py::test_heavy", stage].resident for stage in ("setup", "call"))
    assert setup is not None
    assert call is not None
    assert 20_000_000 <= setup.delta_bytes < 22_000_000
    assert 40_000_000 <= call.delta_bytes < 42_000_000
    (case,) = [
        case
        for case in ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
        if case.attrib["name"] == "test_heavy"
    ]
    properties = {each.attrib["name"]: int(each.attrib["value"]) for each in case.iter("property")}
    assert properties["fwmemtrace_rss_change_bytes"] == call.delta_bytes
    assert properties["fwmemtrace_peak_bytes"] == call.peak_bytes - call.before_bytes


def test_settings_of_the_ini_file_are_limits_for_all_tests(run: Any) -> None:
    ini = "fwmemtrace_limit_rss = 10 MB\nfwmemtrace_top = 1\nfwmemtrace = true\n"
    result = run(
        "def test_a(): KEPT.append(new_memory(20_000_000))\n"
        "@pytest.mark.limit_rss('30 MB')\ndef test_b(): KEPT.append(new_memory(20_000_000))\n",
        ini=ini,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["RSS rose by 20.* MB, over the limit of 10.0 MB (limit_rss)", "and 1 more test (*)"])


def test_a_test_that_takes_more_than_in_the_baseline_fails(run: Any, pytester: pytest.Pytester) -> None:
    run(HEAVY_AND_LIGHT, "--fwmemtrace-bin-path=before").assert_outcomes(passed=2)
    against = ("--fwmemtrace-against=before", "--fwmemtrace-tolerance=5 MB")
    run(HEAVY_AND_LIGHT, *against).assert_outcomes(passed=2)
    result = run(
        HEAVY_AND_LIGHT.replace("test_light(): pass", "test_light(): KEPT.append(new_memory(9_000_000))"), *against
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["RSS rose by 9.* MB; it was * in the baseline"])
    empty = pytester.mkdir("empty")
    result = run(HEAVY_AND_LIGHT, f"--fwmemtrace-against={empty}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no trace (*.bin) in this folder"])


def test_workers_of_xdist_send_their_figures(run: Any, pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="needs pytest-xdist")
    result = run(
        HEAVY_AND_LIGHT + "@pytest.mark.limit_rss('1 MB')\ndef test_over(): KEPT.append(new_memory(5_000_000))\n",
        "--fwmemtrace",
        "--fwmemtrace-bin-path=memory",
        "-n2",
        plugins=("xdist",),
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines([HEAVIEST, "RSS of gw0: *tests.gw0.bin", "RSS of gw1: *tests.gw1.bin"])
    rows = [
        row.name
        for path in sorted((pytester.path / "memory").iterdir())
        for row in fwmemtrace.read(path).phases
        if row.name.startswith("test_it.py::")
    ]
    assert sorted(rows) == ["test_it.py::test_heavy", "test_it.py::test_light", "test_it.py::test_over"]


@pytest.mark.parametrize("color", ["yes", "no"])
def test_the_table_shows_what_fixtures_take_and_which_limits_are_close(run: Any, color: str) -> None:
    result = run(
        """
@pytest.fixture(scope="module")
def model(): return new_memory(60_000_000)

@pytest.mark.limit_peak("200 MB")
def test_far(model): KEPT.append(new_memory(40_000_000))

@pytest.mark.limit_peak("52 MB")
def test_close(): new_memory(50_000_000).close()

@pytest.mark.limit_rss("20 MB")
def test_over(): KEPT.append(new_memory(30_000_000))

def test_free(): pass
""",
        "--fwmemtrace",
        f"--color={color}",
    )
    result.assert_outcomes(passed=3, failed=1)
    start = next(at for at, line in enumerate(result.outlines) if "in setup" in line)
    far, close, over, free = result.outlines[start + 1 : start + 5]
    names = [line.rpartition("::")[2] for line in (far, close, over, free)]
    assert names == ["test_far", "test_close", "test_over", "test_free"]
    for line, share, of_color in ((far, "  20%", None), (close, "  96%", 33), (over, "  150%", 31)):
        assert share in line
        assert (f"\x1b[{of_color}m" in line) == (color == "yes" and of_color is not None)
    assert "%" not in free
    assert "+60." in far


def test_the_examples_tests_take_the_same_in_workers_of_xdist(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist", reason="needs pytest-xdist")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("guard.py", "test_guard.py", "prompts.txt"):
        shutil.copy(EXAMPLES / name, pytester.path)
    options = ["-p", "fwmemtrace.integrations.pytest_plugin", "-p", "xdist", "-k", "gate or cache or long"]
    found = []
    for more in ([], ["-n", "2"]):
        pytester.runpytest_subprocess(*options, "--fwmemtrace", "--junitxml=junit.xml", *more).assert_outcomes(passed=3)
        found.append(
            {
                (case.attrib["name"], each.attrib["name"]): int(each.attrib["value"])
                for case in ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
                for each in case.iter("property")
            }
        )
    alone, together = found
    assert set(alone) == set(together)
    assert alone["test_long_prompts_leave_nothing_behind", "fwmemtrace_peak_bytes"] > 3_000_000
    for key, value in alone.items():
        assert together[key] == pytest.approx(value, abs=2_000_000 if "bytes" in key[1] else 10), key


def test_tests_of_a_coroutine_function_are_called_again_too(run: Any) -> None:
    pytest.importorskip("pytest_asyncio", reason="needs pytest-asyncio")
    result = run(
        "@pytest.mark.asyncio\n@pytest.mark.limit_growth('1 kB', calls=40)\n"
        "async def test_it(): KEPT.append(bytearray(20_000))\n",
        ini="asyncio_default_fixture_loop_scope = function\n",
        plugins=("pytest_asyncio.plugin",),
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*memory grew by 2*kB per call over 40 calls*"])


def test_memray_s_plugin_and_a_limit_on_allocations_exclude_each_other(run: Any) -> None:
    pytest.importorskip("pytest_memray", reason="needs pytest-memray")
    test = "@pytest.mark.limit_allocated('1 GB')\ndef test_it(): pass\n"
    run(test + "def test_other(): pass\n", plugins=("pytest_memray.plugin",)).assert_outcomes(passed=2)
    result = run(test + "def test_other(): pass\n", "--memray", plugins=("pytest_memray.plugin",))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["limit_allocated cannot be measured with --memray, *"])


def test_a_session_that_is_on_already_is_an_error(run: Any, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import fwmemtrace\nfwmemtrace.start('trace.bin')\n")
    result = run("import pytest\n@pytest.mark.limit_rss('1 GB')\ndef test_it(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*fwmemtrace cannot measure the tests: a session is already on*"])


def test_the_session_of_the_environment_gives_way(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWMEMTRACE", str(tmp_path / "trace.bin"))
    result = run("def test_it(): pass\n", "--fwmemtrace")
    result.assert_outcomes(passed=1)
    assert not (tmp_path / "trace.bin").exists()


def test_growth_is_measured_with_what_was_there_before_left_out_of_collections() -> None:
    """The program's own frozen objects stay frozen, others do not, and cycles that a call leaves are collected."""
    from fwmemtrace.integrations.pytest_plugin.growth import measure_growth

    alive = [0]
    seen = set()

    class Node:
        def __init__(self) -> None:
            self.itself = self
            alive[0] += 1

        def __del__(self) -> None:
            alive[0] -= 1

    def call() -> None:
        seen.add((gc.get_freeze_count() > 0, alive[0]))
        Node()

    measure_growth(call, 30, 0, rss=lambda: 10_000_000)
    assert seen == {(True, 0)}
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        measure_growth(lambda: None, 30, 0, rss=lambda: 10_000_000)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
