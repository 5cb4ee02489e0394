"""What the first record of a trace says about the process: its command line, settings and labels, without secrets."""

from __future__ import annotations

import sys

from ..config import Settings
from ..redaction import Redactor


def described_command(settings: Settings, redactor: Redactor) -> list[str]:
    """Return the command line of this process, without the program's arguments if they are not to be recorded."""
    words = sys.orig_argv
    if not settings.record_arguments:
        program = sys.argv[:1]
        words = words[: len(words) - max(len(sys.argv) - 1, 0)]
        if program == ["-c"] and "-c" in words:  # the code is an argument too
            words = words[: words.index("-c") + 1]
    return redactor.arguments(words)


def described_settings(settings: Settings, redactor: Redactor) -> dict[str, str]:
    """Return all settings as text."""
    shown = {name: getattr(settings, name) for name in settings.__struct_fields__}
    shown["labels"] = redactor.labels(settings.labels)
    shown["redact"] = f"{len(settings.redact)} patterns"  # which may be secrets themselves
    return {
        name: str(value) if isinstance(value, (int, float)) else redactor.text(str(value))
        for name, value in shown.items()
    }
