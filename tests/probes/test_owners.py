import pytest

from fwmemtrace.probes.mappings.owners import owner_of
from fwmemtrace.system.allocators import AllocatorReader, parse_python_figures


@pytest.mark.parametrize(
    ("path", "category", "owner"),
    [
        ("/v/lib/python3.11/site-packages/torch/lib/libtorch_cpu.so", "file", "torch"),
        ("/v/lib/python3.11/site-packages/numpy.libs/libscipy_openblas64_.so", "file", "numpy"),
        ("/v/lib/python3/dist-packages/_cffi_backend.cpython-311-x86_64-linux-gnu.so", "file", "_cffi_backend"),
        ("/v/lib/python3.11/site-packages/minilm/model/model.safetensors", "model file", "minilm/model.safetensors"),
        ("/srv/models/weights.gguf", "model file", "weights.gguf"),
        ("/root/.cache/huggingface/hub/models--BAAI--bge-small/blobs/3c9f31", "model file", "BAAI/bge-small"),
        ("/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", "file", "libstdc++.so.6.0.30"),
        ("/usr/lib/libpython3.11.so.1.0", "file", "python"),
        ("/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", "file", "python"),
        ("/usr/bin/python3.11", "file", "python"),
        ("/dev/shm/sem.x", "shared memory", "/dev/shm/sem.x"),
        ("/memfd:cache (deleted)", "shared memory", "/memfd:cache"),
        ("/dev/zero (deleted)", "shared memory", "/dev/zero"),
        ("/v/lib/python3.11/site-packages/memray/_memray.cpython-311.so", "tracer", "memray"),
        ("/tmp/trace.bin.memray", "tracer", "trace.bin.memray"),
    ],
)
def test_owner(path, category, owner):
    assert owner_of(path, frozenset({"/tmp/trace.bin.memray"})) == (category, owner)


def test_python_figures():
    text = b"149 arenas * 1048576 bytes/arena   =  156,237,824\n\n# bytes in allocated blocks        =   152,260,576\n"
    assert parse_python_figures(text) == (156_237_824, 152_260_576)
    assert parse_python_figures(b"something else") == (None, None)


def test_allocators_see_what_is_allocated_and_write_nothing(capfd):
    allocators = AllocatorReader()
    before = allocators.read()
    kept = [bytearray(100_000) for _ in range(200)], [(n, str(n)) for n in range(200_000)]
    after = allocators.read()
    assert after.malloc_in_use_bytes - before.malloc_in_use_bytes > 200 * 100_000 * 0.9
    assert after.python_in_use_bytes - before.python_in_use_bytes > 200_000 * 80
    assert after.python_arena_bytes >= after.python_in_use_bytes
    del kept
    assert capfd.readouterr() == ("", "")


def test_tracemalloc_s_tables_are_told_while_it_traces():
    import tracemalloc

    allocators = AllocatorReader()
    assert allocators.read().tracemalloc_bytes is None
    tracemalloc.start()
    try:
        assert allocators.read().tracemalloc_bytes > 0
    finally:
        tracemalloc.stop()
