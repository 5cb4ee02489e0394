"""The environment of child processes that must not be traced by this process's session."""

from __future__ import annotations

import os
import sys

from ..packages import PACKAGE_FOLDERS

_OURS = "FWMEMTRACE"  # the prefix of every variable that this package reads


def untraced_environment() -> dict[str, str]:
    """Return the environment for an interpreter that can import this package, but neither joins nor starts a session.

    It has none of this package's variables. If the package was found through `sys.path` only, as in a checkout, its
    folder is added to PYTHONPATH.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folders = [folder for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
    installed = root.endswith(PACKAGE_FOLDERS)
    if root in sys.path and root not in folders and not installed:
        environment["PYTHONPATH"] = os.pathsep.join([*folders, root])
    return environment
