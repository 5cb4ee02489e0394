"""functools.cache on a method keeps every instance, and what the instance holds."""

import functools
import time

from causes.truth import tell


class Session:
    """What a user has open."""

    def __init__(self, user: int) -> None:
        self.user = user
        self.buffer = bytearray(1_000_000)  # cause

    @functools.cache  # noqa: B019
    def rights(self) -> str:
        """Returns what the user may do."""
        return f"rights of {self.user}"


for user in range(120):
    Session(user).rights()
    time.sleep(0.01)
tell("a cache on a method", 120_000_000, names=("rights",))
