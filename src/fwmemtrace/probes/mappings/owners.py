"""Who owns a mapping, by its path: a package, a shared library, a model, the tracer, an allocator."""

from __future__ import annotations

from os.path import basename, splitext

from ...packages import is_interpreter, package_of
from ...system.mapped_paths import FILE, KERNEL_NAMED, kind_of, without_deleted

# Categories of the rows in a `MappingsReading`, besides ANONYMOUS, DEVICE, FILE and SHARED_MEMORY.
MODEL_FILE = "model file"
TRACER = "tracer"
MALLOC = "malloc"
PYTHON = "python"
STACK = "stack"
POOL = "pool"  # of a library; its owner is the allocator, by its own name
NAMED = "named"

HEAP, THREAD_HEAPS, LARGE_BLOCKS = "heap", "heaps of threads", "mapped blocks"  # of malloc
ARENAS = "arenas"  # of Python's allocator
THREADS, MAIN_THREAD = "threads", "main thread"  # whose stacks
FRAMES = "Python frames"  # of all threads
MIMALLOC = "mimalloc"
_POOLS = ("jemalloc", MIMALLOC)  # allocators that name their mappings, where the kernel supports it

_WEIGHTS = {".safetensors", ".gguf", ".ggml", ".onnx", ".pt", ".pth", ".bin", ".ckpt", ".npy", ".npz", ".h5", ".tflite"}
_TRACERS = {"fwmemtrace", "memray"}
_HUB = "/models--"  # Hugging Face stores a model's files by their hashes, in a folder named after the model


def owner_of(path: str, own_files: frozenset[str] = frozenset()) -> tuple[str, str]:
    """Return the category and the owner of a mapping with this path.

    Args:
        path: as in smaps, not empty.
        own_files: paths of the files that the tracer itself writes or maps.

    >>> owner_of("/usr/lib/python3/site-packages/torch/lib/libtorch_cpu.so")
    ('file', 'torch')
    >>> owner_of("/srv/models/minilm/model.safetensors")
    ('model file', 'model.safetensors')
    >>> owner_of("/lib/x86_64-linux-gnu/libc.so.6"), owner_of("[heap]")
    (('file', 'libc.so.6'), ('malloc', 'heap'))
    """
    kind = kind_of(path)
    path = without_deleted(path)
    if path in own_files:
        return TRACER, basename(path)
    if kind == FILE:
        return _owner_of_file(path)
    if kind == KERNEL_NAMED:
        return _owner_of_named(path)
    return kind, path


def _owner_of_file(path: str) -> tuple[str, str]:
    package = package_of(path)
    if package in _TRACERS:
        return TRACER, package
    if _HUB in path:
        folder = path.rpartition(_HUB)[2].partition("/")[0]
        return MODEL_FILE, folder.replace("--", "/")
    name = basename(path)
    if splitext(name)[1].lower() in _WEIGHTS:
        return MODEL_FILE, f"{package}/{name}" if package else name
    if package:
        return FILE, package
    return FILE, "python" if is_interpreter(path) else name


def _owner_of_named(path: str) -> tuple[str, str]:
    if path == "[heap]":
        return MALLOC, HEAP
    if path.startswith("[stack"):
        return STACK, MAIN_THREAD
    if path.startswith("[anon:"):
        name = path[6:-1]
        allocator = next((each for each in _POOLS if name.startswith(each)), None)
        return (NAMED, name) if allocator is None else (POOL, allocator)
    return FILE, path  # code and data of the kernel's, such as [vdso]
