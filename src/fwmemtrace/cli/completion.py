"""`completion`: prints a script that completes commands and options in a shell."""

from __future__ import annotations

import argparse

from ..errors import SettingsError, missing_package, unknown_name
from . import full_parser

_SHELLS = ("bash", "zsh", "tcsh", "fish")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Print a script that completes commands and options in a shell; needs the extra `completion`. For "
        "bash: fwmemtrace completion bash > ~/.local/share/bash-completion/completions/fwmemtrace",
    )
    parser.add_argument("shell", metavar="|".join(_SHELLS), help="the shell")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError as error:
        raise missing_package("completion", "shtab", "completion") from error
    shells = shtab.SUPPORTED_SHELLS
    if arguments.shell not in shells:
        raise SettingsError(unknown_name("shell", arguments.shell, shells))
    parser, _ = full_parser()
    print(shtab.complete(parser, shell=arguments.shell))
    return 0
