"""Whose a mapped file is, by its path: a package, a shared library, the interpreter, a model, the tracer."""

from __future__ import annotations

from os.path import basename, splitext

FILE = "file"
MODEL_FILE = "model file"
SHARED_MEMORY = "shared memory"
TRACER = "tracer"

_PACKAGES = ("/site-packages/", "/dist-packages/")
_WEIGHTS = {".safetensors", ".gguf", ".ggml", ".onnx", ".pt", ".pth", ".bin", ".ckpt", ".npy", ".npz", ".h5", ".tflite"}
_SHARED = ("/memfd:", "/dev/shm/", "/SYSV", "/dev/zero", "/dev/hugepages/", "/anon_hugepage")
_TRACERS = {"fwmemtrace", "memray"}
_HUB = "/models--"  # Hugging Face keeps a model's files under their hashes, in a folder of the model's name
DELETED = " (deleted)"


def owner_of(path: str, own_files: frozenset[str] = frozenset()) -> tuple[str, str]:
    """Category and owner of a mapped file.

    Args:
        path: as smaps names it.
        own_files: paths of the files that the tracer itself writes or maps.

    >>> owner_of("/usr/lib/python3/site-packages/torch/lib/libtorch_cpu.so")
    ('file', 'torch')
    >>> owner_of("/srv/models/minilm/model.safetensors")
    ('model file', 'model.safetensors')
    >>> owner_of("/lib/x86_64-linux-gnu/libc.so.6")
    ('file', 'libc.so.6')
    """
    path = path.removesuffix(DELETED)
    if path in own_files:
        return TRACER, basename(path)
    if path.startswith(_SHARED):
        return SHARED_MEMORY, path
    package = _package_of(path)
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
    if name.startswith(("libpython", "python")) or "/lib-dynload/" in path:
        return FILE, "python"
    return FILE, name


def _package_of(path: str) -> str:
    for folder in _PACKAGES:
        _, found, rest = path.rpartition(folder)
        if found:
            first, slash, _ = rest.partition("/")
            # Wheels carry the libraries they need in a folder beside the package.
            return first.removesuffix(".libs") if slash else first.partition(".")[0]
    return ""
