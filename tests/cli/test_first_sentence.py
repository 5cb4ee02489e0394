"""The first sentence of a first run names the function that made most of the memory, in code without a phase.

The programs pause in the function: a busy machine may be late to look at the stack.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import fwmemtrace
from fwmemtrace.recording.child_environment import untraced_environment

MB = 10**6
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kind of memory comes from /proc")
pytestmark = [pytest.mark.slow, linux]


def run(folder: Path, text: str, *options: str, **files: str) -> tuple[dict[str, Any], list[str]]:
    """Trace a program; returns the summary and the lines of the text report."""
    for name, code in {"program": text, **files}.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
    command = [sys.executable, "-m", "fwmemtrace", "run", *options, "program.py"]
    done = subprocess.run(
        command, cwd=folder, env=untraced_environment(), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    trace = fwmemtrace.read(folder / "trace.bin")
    return json.loads(trace.report("json"))["summary"], trace.report("text", width=1000).splitlines()


def test_a_cache_of_large_blocks(tmp_path: Path) -> None:
    summary, lines = run(
        tmp_path,
        """
        import time
        CACHE = []
        def load_model():
            CACHE.append(bytearray(b"x") * 150_000_000)
            time.sleep(0.3)

        def handle(count):
            CACHE.append([str(number) for number in range(count)])

        load_model()
        for _ in range(3):
            handle(50_000)
        """,
    )
    cause = summary["causes"][0]
    assert (cause["kind"], cause["location"]["function"]) == ("code", "load_model")
    assert cause["location"]["line"] in (5, 6)  # where it allocates, or where it pauses right after
    assert abs(cause["bytes"] - 150 * MB) < 15 * MB
    assert (cause["category"], cause["owner"]) == ("native heap", "malloc, large blocks")
    assert "are large native blocks that load_model (" in lines[1]
    assert "they stayed." in lines[1]
    assert summary["next_runs"][0]["probe"] == "native"
    assert lines[-1].endswith("run --report --probes native --native-traces program.py")


def test_arrays_that_numpy_made(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    summary, lines = run(
        tmp_path,
        """
        import time
        import numpy

        class Guard:
            def encode(self):
                self.vectors = numpy.ones(25_000_000)
                time.sleep(0.3)

        guard = Guard()
        guard.encode()
        """,
    )
    cause = summary["causes"][0]
    assert (cause["location"]["function"], cause["package"]) == ("Guard.encode", "numpy")
    assert abs(cause["bytes"] - 200 * MB) < 20 * MB
    assert "large native blocks that Guard.encode (" in lines[1]
    assert "made through numpy" in lines[1]
    assert summary["next_runs"][0]["probe"] == "tensors"


def test_a_spike_that_is_gone_at_the_end(tmp_path: Path) -> None:
    summary, lines = run(
        tmp_path,
        """
        import mmap, time

        def spike():
            block = mmap.mmap(-1, 200_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
            time.sleep(0.3)
            block.close()

        spike()
        time.sleep(0.3)
        """,
    )
    cause = summary["causes"][0]
    assert cause["location"]["function"] == "spike"
    assert cause["share"] <= 1
    assert cause["kept_bytes"] < 0.1 * cause["bytes"]
    assert "freed later" in lines[1]


IMPORT = """
import mmap
table = mmap.mmap(-1, {} * 10**6, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
"""


def test_imports_are_one_sum_with_the_line_that_can_be_edited(tmp_path: Path) -> None:
    summary, lines = run(
        tmp_path,
        """
        import sys
        sys.path.insert(0, "site-packages")
        import guard

        guard.check()
        """,
        guard="""
        def check():
            import vendor
        """,
        **{
            "site-packages__vendor": "import tables\n" + IMPORT.format(40),
            "site-packages__tables": IMPORT.format(90),
        },
    )
    cause = summary["causes"][0]
    assert cause["kind"] == "imports"
    assert abs(cause["bytes"] - 130 * MB) < 10 * MB
    (line,) = [line for line in cause["imports"] if line["bytes"] > MB]
    own = line["nearest_own"]
    assert (Path(own["file"]).name, own["line"], own["module"]) == ("guard.py", 3, "vendor")
    assert "are imports of vendor (" in lines[1]
    assert "guard.py:3): tables 90" in lines[1]


def test_what_was_asked_for_and_never_touched_is_called_so_on_the_first_run(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    summary, lines = run(
        tmp_path,
        """
        import numpy
        keep = []
        def work():
            keep.append(numpy.empty(125_000_000))
        work()
        """,
    )
    assert abs(summary["untouched"]["bytes"] - 1000 * MB) < 20 * MB
    assert summary["peak_bytes"] < 200 * MB
    assert any("never touched" in line for line in lines)


def test_what_was_never_touched_has_its_line_with_the_native_probe(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    pytest.importorskip("memray")
    summary, _ = run(
        tmp_path,
        """
        import numpy
        keep = []
        def work():
            keep.append(numpy.empty(125_000_000))
        work()
        """,
        "--probes",
        "native",
    )
    untouched = summary["untouched"]
    assert (untouched["location"]["function"], untouched["location"]["line"]) == ("work", 5)
    assert untouched["live_bytes"] >= 1000 * MB


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["", ", mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS"], ids=["shared", "private"])
def test_a_mapping_that_is_hardly_touched_is_called_reserved(tmp_path: Path, shared: str) -> None:
    summary, lines = run(
        tmp_path,
        f"""
        import mmap
        ring = mmap.mmap(-1, 3_000_000_000{shared})
        ring[0] = 1
        """,
    )
    assert abs(summary["untouched"]["reserved_bytes"] - 3000 * MB) < 50 * MB
    assert lines[1].startswith("3.0")
    assert "reserved in mappings" in " ".join(lines)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_of_a_program_without_a_decorator_are_traced(tmp_path: Path, method: str) -> None:
    summary, lines = run(
        tmp_path,
        f"""
        import multiprocessing, time
        MODEL = []

        def load():
            MODEL.append(bytearray(b"x") * 150_000_000)
            time.sleep(0.3)

        def work(number):
            return len(MODEL[0])

        if __name__ == "__main__":
            with multiprocessing.get_context("{method}").Pool(1, initializer=load) as pool:
                assert pool.map(work, range(4)) == [150_000_000] * 4
        """,
    )
    assert summary["causes"][0]["location"]["function"] == "load"
    assert abs(summary["causes"][0]["bytes"] - 150 * MB) < 15 * MB
    assert "not closed" not in lines[1].partition(" In all")[0].split(". ")[0]
