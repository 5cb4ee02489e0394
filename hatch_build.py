"""Builds the compiled core, where a compiler and Linux are. Without them the package works, just without the core.

hatchling calls `CoreBuildHook`. `python hatch_build.py` builds the core of a checkout in place. FWMEMTRACE_CORE=0
leaves it out, FWMEMTRACE_CORE=required makes a failure an error. CC is the compiler, and FWMEMTRACE_CORE_TAG the tag of
a wheel for another platform that it compiles for, such as `cp311-cp311-manylinux2014_aarch64` (see csrc/wheels.py).
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent
SOURCES = sorted((ROOT / "csrc").glob("*.c"))
TAG = os.environ.get("FWMEMTRACE_CORE_TAG", "")
MACHINE = next((name for name in ("x86_64", "aarch64") if TAG.endswith(name)), platform.machine())
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
NAME = "_compiled" + SUFFIX.replace(platform.machine(), MACHINE).replace("-gnu", "-musl" if "musl" in TAG else "-gnu")
PLACE = Path("fwmemtrace/core") / NAME
FLAGS = ["-std=gnu11", "-O3", "-g1", "-fPIC", "-fvisibility=hidden", "-fno-semantic-interposition", "-pthread"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
LINK = ["-shared", "-Wl,-z,now", "-Wl,-z,relro", "-lm", "-ldl"]


class CoreBuildError(Exception):
    """The core cannot be built here; the message says why."""


def compile_core(target: Path, extra: list[str] | None = None) -> None:
    """Compile the core.

    Args:
        target: the file to write.
        extra: further flags for the compiler.

    Raises:
        CoreBuildError: if this is not Linux on x86-64 or aarch64 with CPython, or the compiler fails.
    """
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        raise CoreBuildError("it is for CPython on Linux")
    if MACHINE not in ("x86_64", "aarch64"):
        raise CoreBuildError(f"it is for x86-64 and aarch64, not for {MACHINE}")
    compiler = shlex.split(os.environ.get("CC") or "cc")
    include = [f"-I{sysconfig.get_paths()[key]}" for key in ("include", "platinclude")]
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.{os.getpid()}")  # a process that has the old one loaded keeps it
    command = [*compiler, *FLAGS, *WARNINGS, *(extra or []), *include, *map(str, SOURCES), "-o", str(half), *LINK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CoreBuildError(f"the compiler {compiler[0]!r} does not start: {error}") from error
    if done.returncode:
        half.unlink(missing_ok=True)
        raise CoreBuildError(f"{shlex.join(command)} failed:\n{done.stderr}")
    half.replace(target)


class CoreBuildHook(BuildHookInterface):
    """Adds the core to a wheel; an editable install has it in the source folder."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the core before the wheel is put together."""
        wish = os.environ.get("FWMEMTRACE_CORE", "")
        if self.target_name != "wheel" or wish == "0":
            return
        if version == "editable":
            target = ROOT / "src" / PLACE
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="fwmemtrace-core-")
            target = Path(self._folder.name) / NAME
        try:
            compile_core(target)
        except CoreBuildError as error:
            if wish == "required":
                raise
            self.app.display_warning(f"fwmemtrace is built without its compiled core: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = not TAG
        if TAG:
            build_data["tag"] = TAG
        if version != "editable":
            build_data["force_include"][str(target)] = str(PLACE)


if __name__ == "__main__":
    try:
        compile_core(ROOT / "src" / PLACE, sys.argv[1:])
    except CoreBuildError as problem:
        sys.exit(f"the compiled core is not built: {problem}")
    print(ROOT / "src" / PLACE)  # noqa: T201
