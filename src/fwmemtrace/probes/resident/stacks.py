"""Stacks of Python, as looks at threads take and keep them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os.path import dirname
from types import CodeType, FrameType
from typing import NamedTuple

OURS = dirname(dirname(dirname(__file__)))  # the folder of the tracer's own files
_DEEPEST = 100  # frames of a stack, the innermost ones; recursion may be deeper
_RESUME = (lambda: None).__code__.co_code[0]  # the first instruction of every function
_LATEST_RESUME = 2 * 64  # where the first one of a function is at most; cells are made before it


class Stack(NamedTuple):
    """The frames of a stack, innermost first.

    Not the frames themselves, which would keep their variables alive; nor lines, since to find one takes longer than
    all the rest. And no pair for each frame: the collector runs after so many new containers, and ours would make the
    program's garbage go sooner.

    Attributes:
        codes: what each frame runs.
        instructions: the latest of each frame.
        key: the hash of the codes, which takes a while to find: it goes through their constants, and through their
            instructions from Python 3.12 on.
    """

    codes: tuple[CodeType, ...]
    instructions: tuple[int, ...]
    key: int

    def __hash__(self) -> int:
        return hash((self.key, self.instructions))

    def __bool__(self) -> bool:
        return bool(self.codes)

    def frames(self) -> Iterator[tuple[CodeType, int]]:
        """Return the code and the latest instruction of each frame."""
        return zip(self.codes, self.instructions, strict=True)


NO_STACK = Stack((), (), 0)


def stack_of(innermost: FrameType) -> Stack:
    """Return the stack of a thread, by its innermost frame."""
    frame: FrameType | None = innermost
    if _just_entered(innermost):
        # The interpreter was handed over at the entry of a function, of which nothing has run: it was the caller.
        frame = innermost.f_back or innermost
    codes: list[CodeType] = []
    instructions: list[int] = []
    while frame is not None and len(codes) < _DEEPEST:
        codes.append(frame.f_code)
        instructions.append(frame.f_lasti)
        frame = frame.f_back
    first = own_frames(codes)
    theirs = tuple(codes[first:])
    return Stack(theirs, tuple(instructions[first:]), hash(theirs))


def own_frames(codes: Sequence[CodeType]) -> int:
    """Return how many of the innermost frames are the tracer's, such as those of `Watch`; 0 if all are."""
    first = 0
    while first < len(codes) and codes[first].co_filename.startswith(OURS):
        first += 1
    return first if first < len(codes) else 0


def line_of(code: CodeType, instruction: int) -> int:
    """Return the line of an instruction, 0 if it has none."""
    return next((line or 0 for start, end, line in code.co_lines() if start <= instruction < end), 0)


def _just_entered(frame: FrameType) -> bool:
    code = frame.f_code
    if frame.f_lasti > _LATEST_RESUME:  # cheaper to ask than for the bytecode
        return False
    return 0 <= frame.f_lasti < len(code.co_code) and code.co_code[frame.f_lasti] == _RESUME
