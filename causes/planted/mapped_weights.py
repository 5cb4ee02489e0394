"""Weights in a mapped file: RSS that the kernel can evict."""

import os
import tempfile
import time

import numpy
from causes.truth import mapped_rss, tell

path = os.path.join(tempfile.mkdtemp(), "weights.bin")
with open(path, "wb") as file:
    for _ in range(150):
        file.write(b"x" * 1_000_000)


def load_weights() -> numpy.ndarray:
    """Map the weights and read each once."""
    weights = numpy.memmap(path, numpy.uint8, "r")
    weights.sum()  # cause
    return weights


weights = load_weights()
time.sleep(0.5)
size = mapped_rss(weights.ctypes.data, weights.nbytes)
os.unlink(path)
tell("pages of a mapped file", size, names=("weights.bin",), words="file|mapped|evict")
