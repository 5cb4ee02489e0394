"""Keeps memray's capture private: no other user can read the file, and it has no secrets from the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ...config import Settings
from ...paths import encodable
from ...redaction import Redactor


def create_private(path: str) -> None:
    """Create an empty file that only its owner can read, for memray to write into.

    A file or link of that name is removed first, so that nothing is written through a link.

    Raises:
        OSError: if it cannot be created.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def redacted_arguments(settings: Settings) -> Iterator[None]:
    """Let `sys.argv`, which memray puts into its capture, have no secrets for as long as the block lasts."""
    words = sys.argv if settings.record_arguments else sys.argv[:1]
    shown = [encodable(word) for word in Redactor(settings.redact).arguments(words)]
    if shown == sys.argv:
        yield
        return
    argv, sys.argv = sys.argv, shown
    try:
        yield
    finally:
        sys.argv = argv
