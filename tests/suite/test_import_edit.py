"""Edits of import statements: where they may move, why not, and that the edited module works."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any
from unittest import mock

import pytest

from fwmemtrace.suite.import_edit import _EditedLoader, plan_move

HEAD = "import heavy\n"


def moved(tmp_path, source, line=1):
    file = tmp_path / "app.py"
    file.write_text(textwrap.dedent(source))
    return plan_move(str(file), line)


@pytest.mark.parametrize(
    ("source", "into"),
    [
        (HEAD, []),
        (HEAD + "def f():\n    return heavy.x", ["f:2"]),
        (HEAD + "class A:\n    def f(self):\n        return heavy.x\n    def g(self): pass", ["A.f:3"]),
        ("from heavy import x as y\nasync def f():\n    return [y for _ in '']", ["f:2"]),
        ("import heavy.part\ndef f():\n    def inner():\n        return heavy.part", ["f:2"]),
        ("from __future__ import annotations\n" + HEAD + "def f(a: heavy.X) -> heavy.X:\n    return a", []),
        (HEAD + "x = 1\ndef f():\n    return heavy.a\ndef g():\n    return heavy.b", ["f:3", "g:5"]),
    ],
)
def test_a_statement_moves_into_the_functions_that_use_it(tmp_path, source, into):
    line = 2 if source.startswith("from __future__") else 1
    move = moved(tmp_path, source, line)
    assert (move.into, move.problem) == (into, "")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (HEAD + "x = heavy.x", "line 2 uses it when the module is imported"),
        (HEAD + "class A(heavy.B): pass", "line 2 uses it when the module is imported"),
        (HEAD + "@heavy.f\ndef f(): pass", "line 2 uses it when the module is imported"),
        (HEAD + "def f(a=heavy.x): pass", "line 2 uses it when the module is imported"),
        (HEAD + "def f(a: heavy.x): pass", "line 2 uses it when the module is imported"),
        (HEAD + "f = lambda: heavy.x", "line 2 uses it when the module is imported"),
        (HEAD + "class A:\n    x = [heavy.y]", "line 3 uses it when the module is imported"),
        (HEAD + "heavy = None", "line 2 assigns its name"),
        (HEAD + "__all__ = ['heavy']", "line 2 exports it"),
        (HEAD + "def f():\n    global heavy\n    heavy.x", "f declares it global"),
        ("try:\n    import heavy\nexcept ImportError:\n    heavy = None", "line 1 is not an import statement"),
        ("from heavy import *", "it imports all names of the module"),
        ("x = 1", "line 1 is not an import statement"),
        ("def f(:", "app.py cannot be parsed: "),
    ],
)
def test_why_a_statement_cannot_move(tmp_path, source, problem):
    assert moved(tmp_path, source).problem.startswith(problem)


def test_a_statement_in_a_try_block_stays(tmp_path):
    assert moved(tmp_path, "try:\n    import heavy\nexcept ImportError:\n    heavy = None", 2).problem == (
        "it is in a try statement"
    )


def test_an_import_that_its_function_does_not_use_is_removed(tmp_path):
    assert moved(tmp_path, "def f():\n    import heavy\n    return 1", 2).problem == ""
    assert moved(tmp_path, "def f():\n    import heavy\n    return heavy", 2).problem == "f imports it and uses it"


APP = '''
    """Documented."""
    import heavy
    from heavy import value as given

    class Guard:
        def check(self):
            """Documented too."""
            return heavy.value + given

    def light():
        return 1
'''
CHECK = """
    import sys
    from fwmemtrace.suite.import_edit import MovedImports
    MovedImports([(sys.argv[1], 3), (sys.argv[1], 4)]).install()
    import app
    assert app.light() == 1 and "heavy" not in sys.modules
    assert app.__doc__ == "Documented." and app.Guard.check.__doc__ == "Documented too."
    assert app.Guard().check() == 4 and "heavy" in sys.modules
    assert not hasattr(app, "heavy")
"""


def test_the_edited_module_imports_only_what_it_uses_and_its_file_stays(tmp_path):
    source = textwrap.dedent(APP)
    (tmp_path / "app.py").write_text(source)
    (tmp_path / "heavy.py").write_text("value = 2")
    command = [sys.executable, "-c", textwrap.dedent(CHECK), str(tmp_path / "app.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "app.py").read_text() == source


@pytest.mark.parametrize(
    ("body", "imports"),
    [
        ("    if flag:\n        return heavy.x\n    return 0", False),
        ("    if not flag:\n        return 0\n    else:\n        return heavy.x", False),
        ("    with open(__file__):\n        if flag:\n            return heavy.x", False),
        ("    if flag and heavy.x:\n        return 1", True),
        ("    if flag:\n        return heavy.x\n    return heavy.y", True),
        ("    if flag:\n        return heavy.x\n    else:\n        return heavy.y", True),
        ("    for _ in [1] * flag:\n        return heavy.x", True),
    ],
)
def test_a_statement_moves_into_the_branch_that_uses_it(tmp_path, body, imports):
    (tmp_path / "heavy.py").write_text("x = y = 1")
    file = tmp_path / "app.py"
    file.write_text(f"if True:\n    import heavy\ndef f(flag):\n{body}\n")
    loader = _EditedLoader("app", str(file), [2])
    names: dict[str, Any] = {"__file__": str(file)}
    with mock.patch.object(sys, "path", [str(tmp_path), *sys.path]):
        exec(loader.get_code("app"), names)
        sys.modules.pop("heavy", None)
        try:
            names["f"](0)
            assert ("heavy" in sys.modules) == imports
            names["f"](1)
            assert "heavy" in sys.modules
        finally:
            sys.modules.pop("heavy", None)
