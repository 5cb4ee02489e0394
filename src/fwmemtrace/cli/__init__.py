"""The command line. Each command is a module with `add(subparsers)` and a function that returns the exit status.

The status is 0 for success, 1 for an exceeded budget or limit, and 2 for wrong usage or unreadable input, with one line
on stderr and no traceback. A command that is ended by a signal exits with what a shell reports for it: 130 for SIGINT,
143 for SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from .._version import __version__
from ..errors import FwmemtraceError, unknown_name
from ..values import visible

COMMANDS = ("run", "report", "top", "imports", "check", "diff", "export", "doctor", "suite", "fleet", "completion")


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

        _never_fail_to_print()
        with orderly_termination():
            return int(arguments.command(arguments))
    except FwmemtraceError as error:
        print(f"fwmemtrace: {visible(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _never_fail_to_print() -> None:
    """Let stdout escape what its encoding lacks, as stderr does: a name in a trace may have any character."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None and sys.stdout.errors == "strict":
        reconfigure(errors="backslashreplace")


class UsageError(FwmemtraceError):
    """The arguments of a command are wrong."""


class HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage. What follows `examples:` in an epilog keeps its lines."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": HelpFormatter, "allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Raises the message with a pointer to the help."""
        raise UsageError(f"{message}; see {self.prog} --help")


def full_parser(commands: Iterable[str] = COMMANDS) -> tuple[Parser, argparse._SubParsersAction[Parser]]:
    """Return the parser of some commands, and its parsers of them by name."""
    parser = Parser(prog="fwmemtrace", description="Shows where the memory of a Python service goes.", epilog=_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"fwmemtrace {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command_name", required=True, metavar="COMMAND")
    for command in commands:
        import_module(f"{__name__}.{command}").add(subparsers)
    return parser, subparsers


_EXAMPLES = """examples:
  fwmemtrace run --report service.py        trace a program, and show where its memory went
  fwmemtrace report --format html -o memory.html
  fwmemtrace COMMAND --help                 what a command can do"""


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    named = next((word for word in argv if not word.startswith("-")), None)
    if named is not None and named not in COMMANDS:
        raise UsageError(unknown_name("command", named, COMMANDS))
    # A program that `run` traces shares its process with whatever is imported here: load the one command.
    parser, subparsers = full_parser(COMMANDS if named is None else (named,))
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        raise UsageError(_unknown_argument(unknown[0], subparsers.choices[arguments.command_name]))
    return arguments


def _unknown_argument(word: str, parser: argparse.ArgumentParser) -> str:
    if not word.startswith("-"):
        return f"{word!r} is one argument too many; see {parser.prog} --help"
    option = word.partition("=")[0]
    known = [name for action in parser._actions for name in action.option_strings]
    close = unknown_name("option", option, known)
    return close if "did you mean" in close else f"unknown option {option!r}; see {parser.prog} --help"
