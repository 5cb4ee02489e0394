"""Runs the commands whose output the pages show, keeps it in docs/samples/, and draws README's picture.

Run it from the repository, with the extras `all`, `guard`, `onnx`, `fleet` and `integrations` installed:
`python docs/samples.py`, or with the names of some samples. `docs/make.py` then copies the parts that the pages ask
for: see `with_samples` there. Nothing is edited, but for the path of site-packages, which differs between machines.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
COLUMNS = 96

FRAMEWORKS = ("fastapi", "flask", "django", "aiohttp", "grpc", "celery")
SINKS = ("prometheus", "opentelemetry", "sentry", "logs")
COMMANDS = {
    "guard": "fwmemtrace run --report examples/guard.py",
    "onnx_guard": "fwmemtrace run --report examples/onnx_guard.py",
    "imports": "fwmemtrace imports sentence_transformers --top 12 --workers 4",
    "suite": "fwmemtrace suite docs/samples/components.py --budget 30MB",
    "plan": "fwmemtrace suite tests/suite/planted/two_importers/service.py --repeat 2 --budget 50MB",
    "verdicts": "FWMEMTRACE_DETAIL_SHARE=1 fwmemtrace run --report --probes objects docs/samples/verdicts.py",
    "forked_workers": "fwmemtrace run --report docs/samples/forked_workers.py",
    "pytest": "pytest -q --fwmemtrace examples/test_guard.py",
    "three_views": "python docs/samples/three_views.py",
    "fleet": "python docs/samples/fleet_report.py",
    **{name: f"fwmemtrace run --report docs/samples/services.py {name}" for name in FRAMEWORKS},
    **{name: f"python docs/samples/sinks.py {name}" for name in SINKS},
}

PICTURE = DOCS / "images" / "report.svg"
PICTURE_OF = "guard"
LINES = 48  # of the picture
MARGIN = 8  # of the picture, to the right of the text: some viewers draw letters wider than the file says


def output_of(command: str) -> str:
    """Runs a command in a terminal of its own and returns what it printed, with its colours."""
    words = shlex.split(command)
    settings = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    words[:1] = ["python"] if words[0] == "python" else ["python", "-m", words[0]]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        if "suite" in words:
            words += ["-o", f"{folder}/suite.bin"]
        environ = {**os.environ, **settings, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
        environ["FWMEMTRACE_TARGET"] = f"{folder}/trace.bin"
        environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        ours, theirs = pty.openpty()
        running = subprocess.Popen(words, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=errors)
        os.close(theirs)
        output = _all_of(ours)
        if running.wait() != 0 and not (running.returncode == 1 and "--budget" in words):
            errors.seek(0)
            sys.exit(f"samples.py: {command} exited with status {running.returncode}: {errors.read()}")
    return output.decode().replace("\r\n", "\n").replace(sysconfig.get_path("purelib"), "site-packages")


def _all_of(terminal: int) -> bytes:
    output = bytearray()
    with open(terminal, "rb", buffering=0) as source:
        while True:
            try:
                data = source.read(65536)
            except OSError:  # how Linux reports that nobody has the terminal open any more
                return bytes(output)
            if not data:
                return bytes(output)
            output += data


def picture(command: str, output: str) -> str:
    """Returns the first lines of a terminal's output as an SVG."""
    console = Console(record=True, width=COLUMNS + MARGIN, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {command}\n" + "\n".join(output.splitlines()[:LINES])))
    svg = console.export_svg(title=command)
    # The viewer's own monospaced font will do: nothing is downloaded to look at the picture.
    return re.sub(r"(?s)\s*@font-face \{.*?\}", "", svg).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def main() -> None:
    """Run the commands one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMMANDS)} (default: all)")
    names = parser.parse_args().names or list(COMMANDS)
    if unknown := [name for name in names if name not in COMMANDS]:
        parser.error(f"unknown sample {unknown[0]!r}")
    for name in names:
        command = COMMANDS[name]
        output = output_of(command)
        text = "\n".join(line.rstrip() for line in Text.from_ansi(output).plain.splitlines())
        (DOCS / "samples" / f"{name}.txt").write_text(f"$ {command}\n{text}\n", encoding="utf-8")
        print(f"wrote docs/samples/{name}.txt")
        if name == PICTURE_OF:
            PICTURE.write_text(picture(command, output), encoding="utf-8")
            print(f"wrote {PICTURE.relative_to(ROOT)}")
    subprocess.run([sys.executable, str(DOCS / "make.py")], check=True)


if __name__ == "__main__":
    main()
