"""Which changes exceed noise, each at the innermost phase that has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ...paths import PhasePath, is_inside, read
from ...results.diff import BeforeAfter, Difference, KindChange, PhaseChange, ProcessChange, StackChange
from .figures import BYSTANDERS

_CONTRIBUTORS = 3
_SHARE = 0.2  # of a difference, which a contributor has at least
_NOISE_OF_THREADS = 6_000_000  # bytes: malloc keeps an arena for each, and which of them meet is accidental
_OTHER_LEAST = 1_000_000  # bytes of native memory, Python heap or tensors: exact figures, but programs vary


def differences(processes: Sequence[ProcessChange], stacks: Sequence[StackChange]) -> list[Difference]:
    """Return the differences beyond noise, the largest first.

    Args:
        processes: with their phases.
        stacks: those that changed, the largest first.
    """
    found: list[Difference] = []
    for process in processes:
        if process.status == "kept":
            found += _of_process(process, [change for change in stacks if change.process == process.name])
        else:
            found.append(
                Difference(
                    path="",
                    process=process.name,
                    place="process",
                    metric="peak",
                    bytes=process.peak_bytes,
                    noise_bytes=process.noise_bytes,
                )
            )
    found = [difference for difference in found if not _inherited(difference, processes, found)]
    # Of two that are equal, what was added comes before what another phase no longer has.
    return sorted(found, key=lambda difference: (-abs(difference.bytes.change), difference.bytes.change < 0))


def _inherited(difference: Difference, processes: Sequence[ProcessChange], found: Sequence[Difference]) -> bool:
    """Tell whether a worker began with what the main process had when it forked, which is a difference of that one."""
    main = processes[0].name
    if difference.place != "before session" or difference.process == main:
        return False
    change = difference.bytes.change
    of_main = [one.bytes.change for one in found if one.process == main and one.metric in ("rss", "rises")]
    same_way = sum(size for size in of_main if size * change > 0)
    return abs(same_way) + difference.noise_bytes >= abs(change)


def _of_process(process: ProcessChange, stacks: Sequence[StackChange]) -> list[Difference]:
    found: list[Difference] = []
    start = process.before_session_bytes
    if abs(start.change) > process.noise_bytes:
        found.append(
            Difference(
                path="",
                process=process.name,
                place="before session",
                metric="rss",
                bytes=start,
                noise_bytes=process.noise_bytes,
            )
        )
    kept = [
        _difference(process, phase, "rss", phase.own_bytes, stacks)
        for phase in process.phases
        if abs(phase.own_bytes.change) > phase.noise_bytes
    ]
    named = {difference.path for difference in kept}
    kept = [_where_it_ran(difference, process, stacks) for difference in kept]
    found += kept
    named |= {difference.path for difference in kept}
    peaks = list(_peaks(process, kept, stacks))
    found += peaks
    named |= {difference.path for difference in peaks}
    concurrent = _of_concurrent(process, kept, stacks)
    if concurrent is not None:
        found.append(concurrent)
        named.add(concurrent.path)
    for phase in process.phases:
        if phase.path not in named:
            other = _other(process, phase, stacks)
            if other is not None and not _mirrors(other, found):
                found.append(other)
    return found


def _of_concurrent(
    process: ProcessChange, kept: Sequence[Difference], stacks: Sequence[StackChange]
) -> Difference | None:
    """Return what changed while outermost phases ran at the same time, by the change of the process as a whole.

    Such phases have each other's changes in theirs, and how much of them is accidental.
    """
    concurrent = {phase.path for phase in process.phases if phase.concurrent and len(phase.names) == 1}
    whole = process.end_bytes.change - process.before_session_bytes.change
    left = whole - sum(difference.bytes.change for difference in kept if difference.metric in ("rss", "rises"))
    noise = process.noise_bytes + _NOISE_OF_THREADS
    if not concurrent or abs(left) <= noise:
        return None
    made_by = [
        change
        for change in stacks
        if change.path in concurrent and change.metric == "rises" and change.bytes.change * left >= left * left / 2
    ]
    first = made_by[0] if made_by else None
    return Difference(
        path="" if first is None else first.path,
        process=process.name,
        place="process" if first is None else "phase",
        metric="rss" if first is None else "rises",
        bytes=process.end_bytes if first is None else first.bytes,
        noise_bytes=noise,
        stacks=made_by[:_CONTRIBUTORS],
    )


def _where_it_ran(difference: Difference, process: ProcessChange, stacks: Sequence[StackChange]) -> Difference:
    """Return the difference, of the phase whose stack made it where several phases ran at the same time."""
    concurrent = {phase.path for phase in process.phases if phase.concurrent}
    if difference.path not in concurrent and not any(
        is_inside(read(path), read(difference.path)) for path in concurrent
    ):
        return difference
    whole = difference.bytes.change
    made_by = [
        change
        for change in stacks
        if change.path in concurrent
        and change.metric == "rises"
        and change.bytes.change * whole > 0
        and abs(change.bytes.change) >= abs(whole) / 2
    ]
    if not made_by or any(change.path == difference.path for change in made_by):
        return difference
    first = made_by[0]
    return msgspec.structs.replace(
        difference, path=first.path, metric="rises", bytes=first.bytes, stacks=made_by[:_CONTRIBUTORS]
    )


def _peaks(process: ProcessChange, kept: Sequence[Difference], stacks: Sequence[StackChange]) -> Iterator[Difference]:
    """Yield phases that need more or less memory while they run, and give it back."""
    risen = sum(max(difference.bytes.change, 0) for difference in kept)
    fallen = sum(min(difference.bytes.change, 0) for difference in kept)
    explained: list[tuple[PhasePath, int]] = []
    for phase in sorted(process.phases, key=lambda phase: -len(phase.names)):
        if not phase.path or phase.status in ("added", "removed"):
            continue
        inner = [change for path, change in explained if is_inside(path, phase.names)]
        left = phase.above_start_bytes.change
        # What other phases kept is in this peak too, if they ran between two calls of this one.
        left = (
            max(0, left - risen - max(inner, default=0)) if left > 0 else min(0, left - fallen - min(inner, default=0))
        )
        if abs(left) > phase.noise_bytes:
            explained.append((phase.names, phase.above_start_bytes.change))
            yield _difference(process, phase, "peak", phase.above_start_bytes, stacks)


def _other(process: ProcessChange, phase: PhaseChange, stacks: Sequence[StackChange]) -> Difference | None:
    """Return a difference that does not show in RSS, since malloc had kept enough memory, or none was touched."""
    kinds = [
        kind for kind in phase.kinds if kind.category not in BYSTANDERS and abs(kind.bytes.change) > kind.noise_bytes
    ]
    if kinds and not _cancels(phase, kinds[0]):
        return _difference(process, phase, "kind", kinds[0].bytes, stacks, kinds[0])
    for metric, sizes in (
        ("native live", phase.native_live_bytes),
        ("python heap", phase.python_heap_bytes),
        ("tensors", phase.tensor_bytes),
    ):
        measured = sizes.before is not None and sizes.after is not None
        if measured and abs(sizes.change) > max(_OTHER_LEAST, abs(sizes.before or 0) // 50):
            return _difference(process, phase, metric, sizes, stacks)
    return None


def _mirrors(difference: Difference, found: Sequence[Difference]) -> bool:
    """Tell whether a phase only seems to have less because one inside it has more, or the other way round.

    The ledger of a phase that is still open, such as one that a worker was forked in, ends with the last reading. That
    may be older than the readings of the phases inside it.
    """
    change = difference.bytes.change
    return any(
        one.process == difference.process
        and one.path != difference.path
        and is_inside(one.names, difference.names)
        and one.bytes.change * change < 0
        and abs(one.bytes.change) >= abs(change) / 2
        for one in found
    )


def _cancels(phase: PhaseChange, kind: KindChange) -> bool:
    """Tell whether other kinds of the program's own memory changed by about as much in the other direction.

    Then the same memory only counts elsewhere: malloc takes a block from its heap in one run and maps it in the next.
    """
    own = sum(other.bytes.change for other in phase.kinds if other.category not in BYSTANDERS)
    return abs(own) <= max(phase.noise_bytes, kind.noise_bytes)


def _difference(
    process: ProcessChange,
    phase: PhaseChange,
    metric: str,
    sizes: BeforeAfter,
    stacks: Sequence[StackChange],
    kind: KindChange | None = None,
) -> Difference:
    return Difference(
        path=phase.path,
        process=process.name,
        place="phase" if phase.path else "outside",
        metric=metric,  # type: ignore[arg-type]
        category="" if kind is None else kind.category,
        bytes=sizes,
        noise_bytes=phase.noise_bytes if kind is None else kind.noise_bytes,
        kinds=[other for other in phase.kinds if _contributes(other.bytes.change, sizes.change)][:_CONTRIBUTORS],
        stacks=[
            change for change in stacks if change.path == phase.path and _contributes(change.bytes.change, sizes.change)
        ][:_CONTRIBUTORS],
    )


def _contributes(change: int, whole: int) -> bool:
    return change * whole > 0 and abs(change) >= abs(whole) * _SHARE
