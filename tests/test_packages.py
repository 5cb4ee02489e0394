"""Which package a file belongs to: one rule, and every part of the package that names packages follows it."""

from __future__ import annotations

import pytest

from fwmemtrace.capture.library_names import library_of
from fwmemtrace.capture.stacks import make_readable, package_of_stack
from fwmemtrace.packages import is_interpreter, package_of
from fwmemtrace.probes.mappings.owners import owner_of
from fwmemtrace.probes.python_heap.source_packages import SourcePackages

SITE = "/venv/lib/python3.11/site-packages"
PACKAGES = {
    f"{SITE}/torch/nn/modules/linear.py": "torch",
    f"{SITE}/six.py": "six",
    f"{SITE}/_cffi_backend.cpython-311-x86_64-linux-gnu.so": "_cffi_backend",
    f"{SITE}/numpy.libs/scipy_openblas64_.so": "numpy",
    f"{SITE}/google/protobuf/message.py": "google",
    f"{SITE}/python_dateutil/python.so": "python_dateutil",
    "/usr/lib/python3/dist-packages/apt_pkg.so": "apt_pkg",
    f"{SITE}/bundle/{SITE}/inner/module.py": "inner",
    "C:\\Python311\\Lib\\site-packages\\six.py": "six",
    "C:\\Python311\\Lib\\site-packages\\torch\\nn\\linear.py": "torch",
}
NO_PACKAGE = ["/srv/app/main.py", "/usr/lib/python3.11/json/decoder.py", "/srv/my-site-packages/x.py", "<string>", ""]


@pytest.mark.parametrize(("path", "package"), PACKAGES.items())
def test_every_part_of_the_package_agrees(path, package):
    assert package_of(path) == package
    assert owner_of(path) == ("file", package)
    assert SourcePackages().of(((path, 1),)) == package
    assert package_of_stack([("f", path, 1)]) == package
    assert make_readable([("f", path, 1)]).package == package
    assert not is_interpreter(path)


@pytest.mark.parametrize("path", [path for path in PACKAGES if path.endswith(".so")])
def test_an_extension_module_is_the_package_s(path):
    assert library_of(path) == package_of(path)


@pytest.mark.parametrize("path", NO_PACKAGE)
def test_other_files_belong_to_no_package(path):
    assert package_of(path) == ""


@pytest.mark.parametrize(
    "path", ["/usr/bin/python3.11", "/usr/lib/libpython3.11.so.1.0", "/usr/lib/python3.11/lib-dynload/_ssl.so"]
)
def test_the_interpreter_s_own_files(path):
    assert is_interpreter(path)
    assert owner_of(path) == ("file", "python")
    assert library_of(path) == "CPython"
