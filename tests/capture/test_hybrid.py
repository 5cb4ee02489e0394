"""Python's frames take the places of the interpreter's loops."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.capture.hybrid import hybrid_stack

LOOP = ("_PyEval_EvalFrameDefault.cold", "ceval.c", 9, "libpython.so")


def native(name):
    return name, "", 0, "lib.so"


def python(name):
    return name, "f.py", 1


def shown(name):
    return (*python(name), None)


def test_a_loop_gives_way_to_the_frames_that_it_ran():
    natives = [native("malloc"), LOOP, native("call"), LOOP, native("main")]
    assert hybrid_stack([python("c"), python("b"), python("a")], [0, 1, 1], natives) == [
        native("malloc"), shown("c"), shown("b"), native("call"), shown("a"), native("main"),
    ]  # fmt: skip


def test_a_loop_whose_frame_was_not_seen_yet_stays():
    natives = [native("malloc"), LOOP, native("call"), LOOP, native("main")]
    assert hybrid_stack([python("a")], [1], natives) == [
        native("malloc"), LOOP, native("call"), shown("a"), native("main"),
    ]  # fmt: skip


def test_with_too_few_loops_only_python_is_left():
    assert hybrid_stack([python("b"), python("a")], [1, 1], [native("malloc"), LOOP]) == [shown("b"), shown("a")]
    assert hybrid_stack([], [], [native("malloc")]) == [native("malloc")]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=8))
def test_every_frame_is_there_once_and_in_order(calls):
    """Each call of the loop is some C functions, the loop, and the Python frames that it ran."""
    natives, pythons, entries, wanted = [], [], [], []
    for functions, frames in calls:
        for _ in range(functions):
            natives.append(native(f"n{len(natives)}"))
            wanted.append(natives[-1])
        natives.append(("_TAIL_CALL_LOAD_FAST", "", 0, "python") if frames == 2 else LOOP)
        for frame in range(frames):
            pythons.append(python(f"p{len(pythons)}"))
            entries.append(frame == frames - 1)
            wanted.append((*pythons[-1], None))
    assert hybrid_stack(pythons, bytes(entries), natives) == wanted
