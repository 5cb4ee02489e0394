"""Names the package of the line that allocated."""

from __future__ import annotations

import sys
from os.path import basename, dirname
from sysconfig import get_paths

from ...packages import package_of
from .fold import PythonStack

# Read before tracing is on: it imports a module, which would count as the first phase's.
_LIBRARY = (get_paths()["stdlib"], get_paths()["platstdlib"])


class SourcePackages:
    """Finds the package of a source file, and remembers it.

    A file in site-packages belongs to the package there, one of Python's own library to "stdlib", any other to the
    top-level package of the loaded module whose source it is, or else to its folder.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._modules: dict[str, str] | None = None

    def of(self, stack: PythonStack) -> str:
        """Return the package of the innermost frame."""
        file = stack[0][0]
        package = self._known.get(file)
        if package is None:
            package = self._known[file] = self._find(file)
        return package

    def _find(self, file: str) -> str:
        if file.startswith("<frozen "):
            return "stdlib"
        if file.startswith("<"):  # <unknown>: no Python code ran; <string>: exec
            return file
        installed = package_of(file)
        if installed:
            return installed
        if file.startswith(_LIBRARY):
            return "stdlib"
        if self._modules is None:
            self._modules = _top_level_by_source()
        return self._modules.get(file) or basename(dirname(file)) or file


def _top_level_by_source() -> dict[str, str]:
    names = {}
    # Not `sys.modules.items()`: a list of it makes a tuple for each of thousands of modules, and the interpreter keeps
    # 2,000 freed tuples for reuse, 100 kB that would count as the program's.
    for name in list(sys.modules):
        # The dictionary, not the attribute: a lazy module's `__getattr__` would load it.
        file = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
        if isinstance(file, str):
            names[file] = name.partition(".")[0]
    return names
