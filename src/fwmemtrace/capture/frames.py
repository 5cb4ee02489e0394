"""How a frame of a stack is kept before it is shown."""

from __future__ import annotations

from typing import TypeAlias

UNKNOWN = "<unknown>"  # as memray calls what it does not know
LOOP = "_PyEval_EvalFrameDefault"  # the interpreter's, whatever the compiler has added to the name

PythonFrame: TypeAlias = tuple[str, str, int]  # function, file, line

# A frame of a hybrid stack, which has C and C++ frames in their places among Python's: function, source file ("" where
# that is not known), line, and the path of a C or C++ frame's library where that is known. Once it is readable, the
# library's name stands in place of its path.
HybridFrame: TypeAlias = tuple[str, str, int, str | None]
