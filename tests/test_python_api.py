"""The report of docs/python-api.md, installed as a package: its code and its lines for pyproject.toml, as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import fwmemtrace
from fwmemtrace import phase

PAGE = Path(__file__).parents[1] / "docs" / "python-api.md"


def test_the_report_of_the_page_is_found_by_its_entry_point(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (section,) = re.findall(r"(?ms)^## A report format of your own\n(.*?)^## ", text)
    code = section.partition("and register it")[0]
    (tmp_path / "team_report.py").write_text(
        "".join(f"{line}\n" for line in re.findall(r"(?m)^    (?:>>>|\.\.\.) (.*)$", code))
    )
    (toml,) = re.findall(r"(?ms)^```toml\n(.*?)^```", section)
    groups = tomllib.loads(toml)["project"]["entry-points"]
    info = tmp_path / "team-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: team\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
            for group, entries in groups.items()
        )
    )
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0), phase("request"), phase("embed"):
        pass
    (command,) = re.findall(r"`fwmemtrace (report [^`]+)`", section)
    done = subprocess.run(
        [sys.executable, "-m", "fwmemtrace", *command.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(re.sub(r": \d+ MB$", "", line) for line in done.stdout.splitlines()) == ["request", "request/embed"]
