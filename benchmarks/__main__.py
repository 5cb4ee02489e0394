"""`python -m benchmarks [--save FILE] [name ...]`: runs benchmarks and prints one table.

Exit status: 0 if every target was reached, 1 if one was not, 2 for an unknown name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.harness import names, run_fresh, table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks of these names, or all."""
    known = names()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure fwmemtrace against peers, in turns in one run. The machine should be idle otherwise.",
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"all by default: {', '.join(known)}")
    parser.add_argument("--save", metavar="FILE", type=Path, help="keep the rows in here, such as docs/benchmarks.json")
    arguments = parser.parse_args(argv)
    for name in arguments.names:
        if name not in known:
            parser.error(f"unknown benchmark {name!r}; there are {', '.join(known)}")
    found = {}
    for name in arguments.names or known:
        print(f"running {name} ...", file=sys.stderr)
        found[name] = run_fresh(name)
        if arguments.save is not None and found[name]:  # one that is left out here keeps the rows it has
            results.save(arguments.save, {name: found[name]})
    rows = [row for rows in found.values() for row in rows]
    print(table(rows))
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
