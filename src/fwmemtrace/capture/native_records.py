"""memray's allocation records as plain tuples, and those of its allocator numbers that need care."""

from __future__ import annotations

from typing import Any, TypeAlias

# memray.AllocatorType. Every other number allocates a block.
PYMALLOC_FREE, FREE, MMAP, MUNMAP = 1, 5, 14, 15

# Thread, address, size, allocator, Python stack, number of allocations, native stack, generation of its libraries.
NativeRecord: TypeAlias = tuple[int, int, int, int, Any, int, int, int]

# What identifies a stack: the number of its Python stack, or, where C and C++ frames matter, a tuple of that number,
# the number of its native stack and the generation of its libraries.
StackKey: TypeAlias = Any
