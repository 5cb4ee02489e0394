"""Results of the probes `objects` and `collector`: live objects by type, what retains them, garbage collections."""

from __future__ import annotations

from .base import Result


class TypeGrowth(Result, kw_only=True):
    """One type and the change of its instances."""

    type: str  # module and qualified name
    delta_count: int  # change of their number over the phase
    delta_bytes: int  # change of their shallow sizes
    count: int = 0  # their number when the latest call ended
    size_bytes: int = 0  # their shallow sizes then


class Objects(Result, kw_only=True):
    """Live objects over a phase, phases inside it included."""

    delta_count: int  # change of the number of live objects
    delta_bytes: int  # change of their shallow sizes
    top: list[TypeGrowth]  # the types that grew most
    calls: int = 0  # calls of the phase with a census


class HolderStep(Result, kw_only=True):
    """One object of a chain of references."""

    type: str  # module and qualified name of its type
    link: str  # how the object before it refers to it, such as ".cache" or "[3]"; "" for the first
    name: str = ""  # name of a module, function or class


class Holder(Result, kw_only=True):
    """What keeps an object of a growing type alive."""

    type: str  # module and qualified name of the growing type
    count: int  # live instances when it was looked up
    delta_count: int  # growth over the calls of phases, without the first call of each path
    path: str  # the phase in which it grew most
    root: str  # start of the chain: "module", "cycle", "unseen" (a local variable or C code), or "" (not found)
    chain: list[HolderStep]  # from the root to the object
    words: str = ""  # the chain as a sentence
    note: str = ""  # what limited the search


class Collector(Result, kw_only=True):
    """Garbage collections over a phase, phases inside it included."""

    runs: list[int]  # number of collections by generation
    wall_ns: int  # time they took
    collected: int  # objects they freed
    uncollectable: int  # objects they could not free
    full_collections: int = 0  # collections by the tracer after the phase, which show what only they free
    returned_bytes: int = 0  # RSS that these returned
    returned_objects: int = 0  # objects that these freed
    returned_heap_bytes: int | None = None  # traced bytes that these freed; null if tracemalloc was off
