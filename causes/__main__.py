"""`python -m causes [--deep] [--save FILE] [name ...]`: runs the programs and prints what the reports said of each.

Exit status: 0 if every report was right, 1 if one was not, 2 for an unknown name.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from causes import table
from causes.judge import Verdict, judge
from causes.programs import Program, SkippedError, programs, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the programs of these names, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m causes", description="Judge reports of programs with known causes."
    )
    parser.add_argument("names", nargs="*", metavar="name", help="programs to run, such as cache_dict (default: all)")
    parser.add_argument("--deep", action="store_true", help="run with `fwmemtrace run --deep`")
    parser.add_argument("--save", metavar="FILE", type=Path, help="keep the verdicts here, such as docs/causes.json")
    arguments = parser.parse_args(argv)
    known = list(programs())
    for name in arguments.names:
        if name not in {program.name for program in known}:
            parser.error(f"unknown program {name!r}")
    verdicts = []
    kind, options = ("deep run", ["--deep"]) if arguments.deep else ("first run", [])
    with tempfile.TemporaryDirectory() as folder:
        for program in known:
            if program.name in (arguments.names or [program.name]):
                print(f"running {program.path.parent.name}/{program.name} ...", file=sys.stderr, flush=True)
                verdicts.append(_verdict(program, Path(folder), options))
    if arguments.save is not None:
        table.save(arguments.save, kind, verdicts)
    print(table.markdown(kind, verdicts))
    return 0 if all(verdict.right or verdict.skipped for verdict in verdicts) else 1


def _verdict(program: Program, folder: Path, options: Sequence[str]) -> Verdict:
    try:
        return judge(program, run(program, folder, *options))
    except SkippedError as reason:
        return Verdict(program.name, "not known" if program.planted else "", [], skipped=str(reason))


if __name__ == "__main__":
    sys.exit(main())
