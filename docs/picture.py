"""Makes the picture of the report in the README: runs the example in a terminal and draws what it printed.

Run it from the repository, with the extras `all` and `guard` installed: `python docs/picture.py`. The picture shows the
first lines of the output, unedited.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "report.svg"
COLUMNS, LINES = 96, 48
MARGIN = 8  # of the picture, to the right of the text: some viewers draw letters wider than the file says
COMMAND = "python -m fwmemtrace run --report examples/guard.py"


def in_a_terminal(command: list[str]) -> str:
    """Runs a command in a terminal of its own and returns what it printed."""
    output = bytearray()

    def keep(fd: int) -> bytes:
        data = os.read(fd, 65536)
        output.extend(data)
        return data

    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            COLUMNS=str(COLUMNS), FWMEMTRACE_TARGET=str(Path(folder) / "trace.bin"), TERM="xterm-256color"
        )
        status = pty.spawn(command, keep)
    if status:
        sys.exit(f"picture.py: {' '.join(command)} exited with status {os.waitstatus_to_exitcode(status)}")
    return output.decode().replace("\r\n", "\n")


def draw(text: str) -> str:
    """Returns the first lines of a terminal's output as an SVG."""
    console = Console(record=True, width=COLUMNS + MARGIN, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {COMMAND}\n" + "\n".join(text.splitlines()[:LINES])))
    svg = console.export_svg(title=COMMAND)
    # The viewer's own monospaced font will do: nothing is downloaded to look at the picture.
    return re.sub(r"(?s)\s*@font-face \{.*?\}", "", svg).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.chdir(ROOT)
    drawn = draw(in_a_terminal(COMMAND.split()))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn, encoding="utf-8")
    print(f"\n{PICTURE.relative_to(ROOT)}")
