"""Garbage that waits: sessions in cycles, each with a finaliser, too few objects to start a collection."""

import time

from causes.truth import tell

SIZE = 1_000_000


class Connection:
    """Refers to itself through its handler."""

    alive = 0

    def __init__(self) -> None:
        self.buffer = b"x" * SIZE  # cause
        self.handler = self.close
        Connection.alive += 1

    def close(self) -> None:
        """Free the buffer."""
        self.buffer = b""

    def __del__(self) -> None:
        Connection.alive -= 1


for request in range(120):
    Connection()
    time.sleep(0.01)
tell("garbage in cycles", Connection.alive * SIZE, names=("Connection",))
