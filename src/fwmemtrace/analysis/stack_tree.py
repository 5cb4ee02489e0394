"""Joins stacks with equal beginnings to a tree, in columns. What is too small to be seen is only in sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from .. import results
from ..capture.own_frames import is_ours, is_program_code

_PLUMBING = "<frozen "  # of the import system, and of `python -m`
_PHASE, _SMALLER = -1, -2  # in the column of frames
_MOST_ROWS = 10_000
_ROWS_PER_PHASE = 4  # that trees with many phases may have in addition
_KEPT_SHARE = 0.98  # of each metric of a phase that the stacks make up at least that are looked at
_Values = Sequence[int]


class SizedStack(Protocol):
    """One stack with its figures. Its frames are asked for only if it is large enough."""

    @property
    def root(self) -> str:
        """The path of its phase."""

    @property
    def values(self) -> _Values:
        """A figure for each metric."""

    def frames(self) -> Iterable[results.Frame]:
        """Return the frames, innermost first."""


class StackTreeBuilder:
    """Builds one tree.

    Args:
        metrics: what the figures are called.
        most_rows: the number of rows above which the smallest are only in sums.
    """

    def __init__(self, metrics: Sequence[str], most_rows: int = _MOST_ROWS) -> None:
        self._metrics = list(metrics)
        self._most_rows = most_rows
        self._frames: dict[tuple[str, str, int, str | None], int] = {}
        self._roots: dict[str, int] = {}
        self._parent: list[int] = []
        self._frame: list[int] = []
        self._own: list[list[int]] = []
        self._children: list[dict[int, int]] = []
        self._stacks = 0

    def add(self, root: str, frames: Iterable[results.Frame], values: _Values) -> None:
        """Add one stack.

        Args:
            root: the path of its phase.
            frames: innermost first.
            values: a figure for each metric.
        """
        row = self._root(root)
        for frame in reversed(list(frames)):
            if is_ours(frame.file):  # as in a capture's stacks
                continue
            key = frame.function, frame.file, frame.line, frame.library
            row = self._child(row, self._frames.setdefault(key, len(self._frames)))
        self._count(row, values)

    def add_smaller(self, root: str, values: _Values, stacks: int = 1) -> None:
        """Add stacks whose frames are not worth a look to the sum of their phase."""
        self._count(self._child(self._root(root), _SMALLER), values, stacks)

    def result(self) -> results.StackTree:
        """Return the tree."""
        folded = self._fold()
        order = list(self._preorder(folded))
        used: dict[int, int] = {}
        depth, frame, rows = [], [], []
        values: list[list[int]] = [[] for _ in self._metrics]
        for place, (row, level, own) in enumerate(order):
            number = self._frame[row] if row >= 0 else _SMALLER
            depth.append(level)
            frame.append(number if number < 0 else used.setdefault(number, len(used)))
            if any(own):
                rows.append(place)
                for column, figure in zip(values, own, strict=True):
                    column.append(figure)
        frames = list(self._frames)
        kept = [frames[number] for number in used]
        texts = {text for function, file, _, library in kept for text in (function, file, library or "")}
        strings = {text: number for number, text in enumerate(sorted(texts))}
        return results.StackTree(
            metrics=list(self._metrics),
            function=[strings[function] for function, *_ in kept],
            file=[strings[file] for _, file, *_ in kept],
            line=[line for _, _, line, _ in kept],
            library=[-1 if library is None else strings[library] for *_, library in kept],
            kind=[_kind(file, library) for _, file, _, library in kept],
            strings=list(strings),
            paths=list(self._roots),
            depth=depth,
            frame=frame,
            rows=rows,
            values=values,
            stacks=self._stacks,
            folded=len(folded),
        )

    def _root(self, path: str) -> int:
        row = self._roots.get(path)
        if row is None:
            row = self._roots[path] = self._row(-1, _PHASE)
        return row

    def _child(self, parent: int, frame: int) -> int:
        row = self._children[parent].get(frame)
        if row is None:
            row = self._children[parent][frame] = self._row(parent, frame)
        return row

    def _row(self, parent: int, frame: int) -> int:
        self._parent.append(parent)
        self._frame.append(frame)
        self._own.append([0] * len(self._metrics))
        self._children.append({})
        return len(self._parent) - 1

    def _count(self, row: int, values: _Values, stacks: int = 1) -> None:
        self._stacks += stacks
        own = self._own[row]
        for metric, value in enumerate(values):
            own[metric] += value

    def _fold(self) -> set[int]:
        """Return the rows that are too small: those with the smallest shares of their phases."""
        excess = len(self._parent) - self._most_rows - _ROWS_PER_PHASE * len(self._roots)
        if excess <= 0:
            return set()
        shares = self._shares()
        return set(sorted(range(len(shares)), key=shares.__getitem__)[:excess])

    def _shares(self) -> list[float]:
        """Return the largest share of its phase that each row has in a metric, the rows below it included.

        A row is never smaller than one below it: where the two are equal, the inner one counts as a little less.
        """
        totals = [[abs(value) for value in own] for own in self._own]
        for row in range(len(totals) - 1, -1, -1):  # a row comes before those below it
            parent = self._parent[row]
            if parent >= 0:
                mine, theirs = totals[row], totals[parent]
                for metric, value in enumerate(mine):
                    theirs[metric] += value
        root: list[int] = []
        shares: list[float] = []
        for row, parent in enumerate(self._parent):
            root.append(row if parent < 0 else root[parent])
            whole = totals[root[row]]
            share = max((value / of for value, of in zip(totals[row], whole, strict=True) if of), default=0.0)
            shares.append(2.0 if parent < 0 else min(share, shares[parent] * (1 - 1e-9)))
        return shares

    def _preorder(self, folded: set[int]) -> Iterator[tuple[int, int, list[int]]]:
        """Yield each row that is kept, its depth and its own figures; -1 stands for the sum of the folded ones."""
        inner = self._inner_sums(folded)
        stack = [(root, 0) for root in reversed(self._roots.values())]
        while stack:
            row, depth = stack.pop()
            if row < 0:  # the sum of what is folded below the row -row - 1
                yield -1, depth, inner[-row - 1]
                continue
            yield row, depth, self._own[row]
            if row in inner:
                stack.append((-row - 1, depth + 1))
            stack += [(child, depth + 1) for child in self._children[row].values() if child not in folded]

    def _inner_sums(self, folded: set[int]) -> dict[int, list[int]]:
        """Return the sums of the folded rows by the row that they are folded into."""
        sums: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(self._metrics))
        into: dict[int, int] = {}
        for row in sorted(folded):
            parent = self._parent[row]
            into[row] = into.get(parent, parent)
            own = sums[into[row]]
            for metric, value in enumerate(self._own[row]):
                own[metric] += value
        return dict(sums)


def stack_tree(metrics: Sequence[str], samples: Iterable[SizedStack]) -> results.StackTree:
    """Return the tree of samples.

    Args:
        metrics: what the figures of the samples are called.
        samples: the stacks.
    """
    builder = StackTreeBuilder(metrics)
    gathered = list(samples)
    wanted = worth_a_look(gathered, range(len(metrics)))
    for place, sample in enumerate(gathered):
        if place in wanted:
            builder.add(sample.root, sample.frames(), sample.values)
        else:
            builder.add_smaller(sample.root, sample.values)
    return builder.result()


def worth_a_look(samples: Sequence[SizedStack], weighed: Iterable[int], share: float = _KEPT_SHARE) -> set[int]:
    """Return the places of the largest samples that make up this share of the weighed metrics of each phase."""
    phases: defaultdict[str, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        phases[sample.root].append(place)
    wanted: set[int] = set()
    weighed = tuple(weighed)
    for places in phases.values():
        for metric in weighed:
            figures = {place: samples[place].values[metric] for place in places}
            rest = share * sum(figures.values())
            for place in sorted(figures, key=figures.__getitem__, reverse=True):
                if rest <= 0 or figures[place] <= 0:
                    break
                rest -= figures[place]
                wanted.add(place)
    return wanted


def _kind(file: str, library: str | None) -> int:
    if file.startswith(_PLUMBING):
        return 2
    return int(library is None and bool(file) and is_program_code(file))
