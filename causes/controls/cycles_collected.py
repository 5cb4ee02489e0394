"""Sessions in cycles that the collector frees."""

import gc
import time


class Connection:
    """Refers to itself through its handler."""

    def __init__(self) -> None:
        self.buffer = b"x" * 100_000
        self.handler = self.close

    def close(self) -> None:
        """Free the buffer."""
        self.buffer = b""

    def __del__(self) -> None:
        self.buffer = b""


for request in range(150):
    Connection()
    if request % 10 == 9:
        gc.collect()
    time.sleep(0.008)
