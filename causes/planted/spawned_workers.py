"""Each worker loads a model of its own."""

import multiprocessing as mp
import time

from causes.truth import tell

MODEL = []


def load() -> None:
    """Load the model of this worker."""
    MODEL.append(bytearray(b"x") * 100_000_000)  # cause


def work(number: int) -> int:
    """Use the model."""
    time.sleep(0.3)
    return len(MODEL[0])


if __name__ == "__main__":
    with mp.get_context("spawn").Pool(3, initializer=load) as pool:
        pool.map(work, range(9))
    tell("a model in each worker", 100_000_000, names=("MODEL",))
