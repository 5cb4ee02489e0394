"""A session imports msgspec without what it prefers to import besides."""

from __future__ import annotations

import pytest

from programs import run_program

PROGRAM = """
import sys
{first}
import fwmemtrace
fwmemtrace.start("trace.bin", interval=0)
print("typing_extensions" in sys.modules)
import msgspec
from typing import Generic, NotRequired, TypedDict, TypeVar
class Movie(TypedDict):
    name: str
    year: NotRequired["int"]
assert msgspec.json.decode('{{"name": "x"}}', type=Movie) == {{"name": "x"}}
try:
    msgspec.json.decode('{{"name": "x", "year": "y"}}', type=Movie)
except msgspec.ValidationError as error:
    print(error)
import typing_extensions
class Other(typing_extensions.TypedDict):
    year: typing_extensions.NotRequired[int]
assert msgspec.json.decode('{{}}', type=Other) == {{}}
assert msgspec._utils.__name__ == "msgspec._utils"
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["", "import typing_extensions", "import msgspec"])
def test_msgspec_works_as_ever(tmp_path, first):
    pytest.importorskip("typing_extensions")
    done = run_program(tmp_path, PROGRAM.format(first=first), timeout_s=300)
    assert not done.stderr
    assert done.stdout == f"{bool(first)}\nExpected `int`, got `str` - at `$.year`\n"
