"""Trees of stacks: whatever is folded, the figures of a phase stay what they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from fwmemtrace import results
from fwmemtrace.analysis.stack_tree import StackTreeBuilder, stack_tree, worth_a_look


@dataclass(frozen=True)
class Sample:
    root: str
    names: tuple[str, ...]
    values: tuple[int, int]

    def frames(self) -> list[results.Frame]:
        return [results.Frame(function=name, file=f"/srv/{name}.py", line=1) for name in self.names]


SAMPLES = st.lists(
    st.builds(
        Sample,
        root=st.sampled_from(["", "a", "a/b", "c"]),
        names=st.lists(st.sampled_from("fghk"), max_size=5).map(tuple),
        values=st.tuples(st.integers(0, 1000), st.integers(0, 10**12)),
    ),
    max_size=40,
)


def sums(tree: results.StackTree) -> dict[str, list[int]]:
    """The figures of each phase, by the rows of the tree."""
    phase_of, phase = [], -1
    for depth in tree.depth:
        phase += depth == 0
        phase_of.append(phase)
    made: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(tree.metrics))
    for metric, column in enumerate(tree.values):
        for row, value in zip(tree.rows, column, strict=True):
            made[tree.paths[phase_of[row]]][metric] += value
    return {path: values for path, values in made.items() if any(values)}


def expected(samples: list[Sample]) -> dict[str, list[int]]:
    made: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for sample in samples:
        for metric, value in enumerate(sample.values):
            made[sample.root][metric] += value
    return {path: values for path, values in made.items() if any(values)}


@settings(max_examples=50)
@given(SAMPLES, st.integers(0, 30))
def test_the_figures_of_a_phase_stay_what_they_are(samples: list[Sample], most_rows: int) -> None:
    builder = StackTreeBuilder(("x", "y"), most_rows)
    for sample in samples:
        builder.add(sample.root, sample.frames(), sample.values)
    tree = builder.result()
    assert sums(tree) == expected(samples)
    assert sums(stack_tree(("x", "y"), samples)) == expected(samples)
    assert all(after <= before + 1 for before, after in zip(tree.depth, tree.depth[1:], strict=False))
    assert [number for number in tree.frame if number == -1] == [-1] * len(tree.paths)
    assert all(-2 <= number < len(tree.function) for number in tree.frame)


def test_the_smallest_rows_of_each_phase_are_folded() -> None:
    builder = StackTreeBuilder(("x",), most_rows=0)
    for path in ("one", "two"):
        builder.add(path, Sample(path, ("large",), (0, 0)).frames(), [900])
        for name in "abcdefgh":
            builder.add(path, Sample(path, (name,), (0, 0)).frames(), [1])
    tree = builder.result()
    assert tree.strings[tree.function[0]] == "large"
    assert len(tree.depth) < 18
    assert tree.folded > 0
    assert sums(tree) == {"one": [908], "two": [908]}


def test_stacks_that_hardly_count_are_not_resolved() -> None:
    samples = [Sample("a", ("f",), (1000, 0)), *(Sample("a", ("g",), (1, 0)) for _ in range(5))]
    assert worth_a_look(samples, [0, 1]) == {0}
    assert worth_a_look([Sample("a", ("g",), (1, 0)) for _ in range(100)], [0]) == set(range(98))
