"""`python -m benchmarks [name ...]`: runs benchmarks and prints one table.

Exit status: 0 where every target was reached, 1 where one was not, 2 for a name that is no benchmark.
"""

from __future__ import annotations

import sys

from benchmarks.harness import names, run_fresh, table


def main(wanted: list[str]) -> int:
    """Run the benchmarks of these names, or all."""
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"found the benchmark {unknown[0]!r}, expected one of {', '.join(known)}", file=sys.stderr)
        return 2
    rows = []
    for name in wanted or known:
        print(f"running {name} ...", file=sys.stderr)
        rows += run_fresh(name)
    print(table(rows))
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
