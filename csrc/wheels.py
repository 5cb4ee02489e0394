"""Makes the wheels of a release: `python csrc/wheels.py [--out dist] PYTHON ...`.

There is one for each Python given and each platform, and one without the core for everything else. The compiler is that
of the package ziglang, which compiles for all platforms and for old versions of glibc: pip install ziglang.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {
    "manylinux2014_x86_64": "x86_64-linux-gnu.2.17",
    "manylinux2014_aarch64": "aarch64-linux-gnu.2.17",
    "musllinux_1_2_x86_64": "x86_64-linux-musl",
    "musllinux_1_2_aarch64": "aarch64-linux-musl",
}


def build(python: str, out: Path, **variables: str) -> None:
    """Build one wheel.

    Args:
        python: the interpreter, whose headers are used.
        out: the folder for the wheel.
        variables: the environment of hatch_build.py.
    """
    command = [python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(out), str(ROOT)]
    subprocess.run(command, env=os.environ | variables, check=True)


def main() -> None:
    """Build all wheels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the wheels (default: dist)")
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="an interpreter, such as python3.12")
    arguments = parser.parse_args()
    for python in arguments.pythons:
        version = "import sys; print(f'cp{sys.version_info[0]}{sys.version_info[1]}')"
        name = subprocess.run([python, "-c", version], check=True, capture_output=True, text=True).stdout.strip()
        for platform, target in TARGETS.items():
            compiler = f"{sys.executable} -m ziglang cc -target {target}"
            tag = f"{name}-{name}-{platform}"
            build(python, arguments.out, CC=compiler, FWMEMTRACE_CORE="required", FWMEMTRACE_CORE_TAG=tag)
    build(arguments.pythons[0], arguments.out, FWMEMTRACE_CORE="0")


if __name__ == "__main__":
    main()
