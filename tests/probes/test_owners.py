"""Who owns a mapping, by its path."""

from __future__ import annotations

import pytest

from fwmemtrace.probes.mappings.owners import owner_of


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
