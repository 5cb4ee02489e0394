"""The magics, in IPython's own shell, and how a trace shows itself."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.recording.child_environment import untraced_environment

ODD = "<script>alert(1)</script>\x1b[31m\u202e\ud800"


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_trace_shows_its_summary_curve_and_phases(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin"):
        for _ in range(3):
            with phase(ODD), phase("inner"):
                pass
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    bundle = trace._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    page = Texts()
    page.feed(bundle["text/html"])
    assert {"svg", "polyline", "table"} <= page.tags
    assert "script" not in page.tags
    assert "<script>alert(1)</script>\\x1b[31m\\u202e\\ud800" in page.text
    assert "at the end" in page.text
    bundle["text/html"].encode()


@pytest.mark.slow
class TestMagics:
    def shell(self, folder: Path, *cells: str) -> subprocess.CompletedProcess[str]:
        pytest.importorskip("IPython")
        program = (
            "from IPython.core.interactiveshell import InteractiveShell\n"
            "from IPython.core.displayhook import DisplayHook\n"
            "shell = InteractiveShell.instance(colors='nocolor')\n"
            "shell.display_pub.publish = lambda data, *_, **__: print('SHOWN', sorted(data), data['text/plain'])\n"
            f"for cell in {list(cells)!r}:\n"
            "    outcome = shell.run_cell(cell, store_history=True)\n"
            "    print('OUTCOME', repr(outcome.result), type(outcome.error_in_exec).__name__)\n"
        )
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=folder,
            env={**untraced_environment(), "IPYTHONDIR": str(folder), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )

    def outcomes(self, done: subprocess.CompletedProcess[str]) -> list[str]:
        return [line.removeprefix("OUTCOME ") for line in done.stdout.splitlines() if line.startswith("OUTCOME ")]

    def test_a_cell_is_traced_and_its_trace_shown(self, tmp_path: Path) -> None:
        done = self.shell(
            tmp_path,
            "%load_ext fwmemtrace",
            "%%fwmemtrace --probes mappings --trace kept\nx = bytearray(30_000_000)\nlen(x)",
            "kept['cell'].resident.delta_bytes // 1_000_000",
            "x is not None",
        )
        outcomes = self.outcomes(done)
        assert outcomes[1] == "30000000 NoneType", done.stdout + done.stderr
        assert outcomes[2] in ("29 NoneType", "30 NoneType")
        assert outcomes[3] == "True NoneType"
        assert "SHOWN ['text/html', 'text/plain'] " in done.stdout

    def test_phases_of_a_session_and_of_a_cell_alone(self, tmp_path: Path) -> None:
        done = self.shell(
            tmp_path,
            "%load_ext fwmemtrace",
            "%%phase alone\ny = 1",
            "import fwmemtrace; session = fwmemtrace.start('trace.bin')",
            "%%phase load model\nfrom fwmemtrace import phase\nwith phase('inner'):\n    z = 2",
            "fwmemtrace.stop()",
            "[row.path for row in fwmemtrace.read('trace.bin').phases]",
        )
        assert len([line for line in done.stdout.splitlines() if line.startswith("SHOWN ")]) == 1
        assert self.outcomes(done)[-1] == "['load model', 'load model/inner', ''] NoneType"

    def test_an_exception_is_the_cell_s_own_and_the_phase_has_it(self, tmp_path: Path) -> None:
        done = self.shell(
            tmp_path,
            "%load_ext fwmemtrace",
            "%%fwmemtrace --trace kept\ndef f():\n    raise KeyError('gone')\nf()",
            "kept['cell'].error_types",
            "%%fwmemtrace --probes naitve\n1",
            "%%phase\n1",
        )
        outcomes = self.outcomes(done)
        assert outcomes[1] == "None KeyError"
        assert outcomes[2] == "{'KeyError': 1} NoneType"
        assert "unknown probe 'naitve'; did you mean 'native'?" in done.stdout + done.stderr
        assert "%%phase: missing name" in done.stdout + done.stderr


@pytest.mark.slow
def test_cells_in_a_real_kernel_show_their_trace_once(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    sources = [
        "%load_ext fwmemtrace",
        "%%phase load\nx = bytearray(30_000_000)\nlen(x)",
        "%%fwmemtrace --trace kept\nprint('printed')\nlen(x)",
        "print(kept['cell'].calls, '<html' in kept.report('html'), 'Summary' in kept.report('text'))",
        "%%phase waits\nimport asyncio\nawait asyncio.sleep(0)",
        "await asyncio.sleep(0)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    resources = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(book, timeout=300, kernel_name="python3", allow_errors=True, resources=resources)
    client.execute(env=untraced_environment())
    load, cell, kept, waits = (each.outputs for each in book.cells[1:5])
    assert [output.output_type for output in load] == ["display_data", "execute_result"]
    assert load[0].data["text/plain"].startswith("Summary\n")
    assert "load" in load[0].data["text/html"]
    assert load[1].data["text/plain"] == "30000000"
    assert [output.output_type for output in cell] == ["stream", "display_data", "execute_result"]
    assert kept[0].text == "1 True True\n"
    shown = "".join(output.get("text", "") + output.get("evalue", "") for output in waits)
    assert "%%phase cannot run a cell with await" in shown
