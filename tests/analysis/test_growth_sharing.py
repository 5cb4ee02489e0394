"""Which phases are said to run at each edge, whatever the order in which calls begin and end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.analysis.growth_sharing import OverlapSharing

SPANS = st.integers(1, 6)
EDGES = st.lists(st.tuples(st.booleans(), SPANS, SPANS, st.sampled_from("abc")), max_size=40)


@given(EDGES)
def test_the_running_phases_are_those_of_the_innermost_open_calls(edges: list[tuple[bool, int, int, str]]) -> None:
    sharing = OverlapSharing()
    for at, (begins, span, parent, name) in enumerate(edges):
        if begins:
            sharing.begin(span, parent if parent != span else 0, (name,), at, 0)
        else:
            sharing.end(span, at, 0)
        innermost = [call.path for call in sharing._open.values() if not call.inner]
        assert sharing._running == {path: innermost.count(path) for path in innermost}
    sharing.close()
    assert not sharing._running
