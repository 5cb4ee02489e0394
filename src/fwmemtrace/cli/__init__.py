"""The command line. Each command is a module with `add(subparsers)` and a function that returns the exit status.

The status is 0 for success, 1 for an exceeded budget or limit, and 2 for wrong usage or unreadable input, with one line
on stderr and no traceback. A command that is ended by a signal exits with what a shell reports for it: 130 for SIGINT,
143 for SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from .._version import __version__
from ..errors import FwmemtraceError, unknown_name

COMMANDS = ("run", "report", "imports", "check", "diff", "export", "doctor", "suite", "fleet")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments after the program's name; those of this process by default.

    Returns:
        The exit status.
    """
    try:
        arguments = _parse(sys.argv[1:] if argv is None else argv)
        if arguments.command_name == "run":  # the traced program must find its signals as Python leaves them
            return int(arguments.command(arguments))
        from .termination import orderly_termination

        with orderly_termination():
            return int(arguments.command(arguments))
    except FwmemtraceError as error:
        print(f"fwmemtrace: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


class UsageError(FwmemtraceError):
    """The arguments of a command are wrong."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raises the message with a pointer to the help."""
        raise UsageError(f"{message}; see {self.prog} --help")


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="fwmemtrace", description="Shows where the memory of a Python service goes.")
    parser.add_argument("--version", action="version", version=f"fwmemtrace {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command_name", required=True, metavar="COMMAND")
    named = next((word for word in argv if not word.startswith("-")), None)
    if named is not None and named not in COMMANDS:
        raise UsageError(unknown_name("command", named, COMMANDS))
    # A program that `run` traces shares its process with whatever is imported here: load the one command.
    for command in COMMANDS if named is None else (named,):
        import_module(f"{__name__}.{command}").add(subparsers)
    return parser.parse_args(argv)
