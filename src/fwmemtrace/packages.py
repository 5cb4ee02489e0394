"""Which installed package a file belongs to, by its path."""

from __future__ import annotations

import re
import sys

PACKAGE_FOLDERS = ("site-packages", "dist-packages")  # the second is Debian's

_INSTALLED = re.compile(rf".*[\\/](?:{'|'.join(PACKAGE_FOLDERS)})[\\/]([^\\/]+)([\\/])?", re.DOTALL)
_LIBRARY_FOLDER = ".libs"  # wheels keep the shared libraries that they bundle in a folder next to the package


def package_of(path: str) -> str:
    """Return the package or module in site-packages that a file is part of, by the name of its folder or file there.

    Where such folders are nested, the innermost one counts.

    Returns:
        The name, or "" for a file that is not in such a folder.

    >>> package_of("/venv/lib/python3.11/site-packages/torch/lib/libtorch_cpu.so")
    'torch'
    >>> package_of("/venv/lib/python3.11/site-packages/six.py"), package_of("/usr/lib/python3/dist-packages/apt_pkg.so")
    ('six', 'apt_pkg')
    >>> package_of("/venv/lib/python3.11/site-packages/numpy.libs/libopenblas.so"), package_of("/srv/app/main.py")
    ('numpy', '')
    """
    found = _INSTALLED.match(path)
    if found is None:
        return ""
    entry, is_folder = found.groups()
    return entry.removesuffix(_LIBRARY_FOLDER) if is_folder else entry.partition(".")[0]


def is_standard(module: str) -> bool:
    """Return whether a module is part of the standard library.

    >>> is_standard("email.mime.text"), is_standard("torch.nn")
    (True, False)
    """
    return module.partition(".")[0] in sys.stdlib_module_names


def is_interpreter(path: str) -> bool:
    """Return whether a file is the Python interpreter's own executable, library or extension module.

    >>> is_interpreter("/usr/bin/python3.11"), is_interpreter("/usr/lib/python3.11/lib-dynload/_ssl.so")
    (True, True)
    """
    name = path.rpartition("/")[2]
    return not package_of(path) and (name.startswith(("libpython", "python")) or "/lib-dynload/" in path)
