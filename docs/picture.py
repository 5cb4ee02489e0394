"""Takes the picture of the report that README shows: runs the example in a terminal and keeps what it printed.

Run it from the repository, with the extras `all` and `guard` installed: `python docs/picture.py`. What is in the
picture is what the terminal got, cut off below; nothing is edited.
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
MARGIN = 8  # a picture wider than the text: some viewers draw the letters broader than they were told
COMMAND = "python -m fwmemtrace run --report examples/guard.py"


def in_a_terminal(command: list[str]) -> str:
    """Run a command with a terminal of its own and give what it wrote there."""
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
        sys.exit(f"picture.py: {' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
    return output.decode().replace("\r\n", "\n")


def draw(text: str) -> str:
    """An SVG of the first lines of a terminal's output."""
    console = Console(record=True, width=COLUMNS + MARGIN, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {COMMAND}\n" + "\n".join(text.splitlines()[:LINES])))
    svg = console.export_svg(title=COMMAND)
    # The reader's own monospaced font will do: nothing is fetched to look at this.
    return re.sub(r"(?s)\s*@font-face \{.*?\}", "", svg).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.chdir(ROOT)
    drawn = draw(in_a_terminal(COMMAND.split()))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn, encoding="utf-8")
    print(f"\n{PICTURE.relative_to(ROOT)}")
