"""The one place where rich writes for us: into a string, with or without colours."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from .base import Options


def printed(options: Options, draw: Callable[[Console], None]) -> str:
    """Returns what `draw` prints to a console of that width, without blanks at the ends of lines."""
    text = io.StringIO()
    console = Console(
        file=text,
        width=options.width,
        force_terminal=options.colour,
        no_color=not options.colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        force_jupyter=False,  # in a notebook's kernel, rich would show each line instead of writing it
    )
    draw(console)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().split("\n")[:-1])
