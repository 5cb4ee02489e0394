"""The command line. Each command is a module with `add(subparsers)`, and a function that returns the exit status.

0 is good, 1 a budget or limit exceeded, 2 wrong usage or unreadable input: one line on stderr, no traceback. A
command that a signal ends exits with what a shell reports for it: 130 for SIGINT, 143 for SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from .._version import __version__
from ..errors import FwmemtraceError

COMMANDS = ("run", "report", "imports", "check", "diff", "export", "doctor", "suite")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words behind the program's name; those of this process by default.

    Returns:
        The exit status.
    """
    arguments = _parser(sys.argv[1:] if argv is None else argv)
    try:
        if arguments.command_name == "run":  # the program that it traces shall find its signals as Python leaves them
            return int(arguments.command(arguments))
        from .termination import orderly_termination

        with orderly_termination():
            return int(arguments.command(arguments))
    except FwmemtraceError as error:
        print(f"fwmemtrace: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, `head` for one, has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _parser(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fwmemtrace", description="Finds where the memory of a Python service went.")
    parser.add_argument("--version", action="version", version=f"fwmemtrace {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command_name", required=True, metavar="COMMAND")
    # A program that `run` traces has to live with whatever was imported before it: load its command alone.
    named = next((word for word in argv if not word.startswith("-")), None)
    for command in (named,) if named in COMMANDS else COMMANDS:
        import_module(f"{__name__}.{command}").add(subparsers)
    return parser.parse_args(argv)
