"""Workers that compute, answer and end."""

import multiprocessing
import time

context = multiprocessing.get_context("fork")


def work(number: int, answers: "multiprocessing.Queue[int]") -> None:
    """Answer with the length of a buffer."""
    time.sleep(0.2)
    answers.put(len(bytes([number]) * 500_000))


if __name__ == "__main__":
    answers = context.Queue()
    for number in range(3):
        worker = context.Process(target=work, args=(number, answers))
        worker.start()
        answers.get()
        worker.join()
