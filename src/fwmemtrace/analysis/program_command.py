"""Takes the command line of `fwmemtrace run` apart, to run the same program once more."""

from __future__ import annotations

from collections.abc import Sequence

_WITH_VALUE = {"--output", "--probes", "--only-probes", "--interval"}
_FLAGS = {"--force", "--quiet", "--native-traces", "--report", "--deep"}


def with_probe(command: Sequence[str], probe: str, options: Sequence[str] = ()) -> list[str]:
    """Returns the command that runs the program again with another probe, and prints the report.

    Args:
        command: of the traced process, as in `sys.orig_argv`.
        probe: the name of a probe.
        options: further options of `run`.

    Returns:
        The words of the command; [] if the process was not started by `run`.

    >>> with_probe(["/usr/bin/python3", "/usr/bin/fwmemtrace", "run", "-o", "t.bin", "app.py", "-v"], "tensors")
    ['fwmemtrace', 'run', '--report', '--probes', 'tensors', 'app.py', '-v']
    >>> with_probe(["python", "service.py"], "tensors")
    []
    """
    place = _run_at(command)
    if place is None:
        return []
    start = list(command[:place])
    if len(start) == 2 and _is_script(start[1]):
        start = ["fwmemtrace"]
    program = _program(command[place + 1 :])
    return [*start, "run", "--report", "--probes", probe, *options, *program] if program else []


def _run_at(command: Sequence[str]) -> int | None:
    """Returns where the word `run` is in a command of fwmemtrace's; None in any other command."""
    for place in range(1, len(command) - 1):
        started = command[place] == "fwmemtrace" and command[place - 1] == "-m"
        if (started or _is_script(command[place])) and command[place + 1] == "run":
            return place + 1
    return None


def _is_script(word: str) -> bool:
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe") == "fwmemtrace" and word != "fwmemtrace"


def _program(words: Sequence[str]) -> list[str]:
    """Returns the program and its arguments, from the words after `run`."""
    place = 0
    form: list[str] = []
    while place < len(words) and words[place].startswith("-"):
        word = words[place]
        place += 1
        name, has_value, _ = word.partition("=")
        if name in _WITH_VALUE:
            place += not has_value
        elif word not in _FLAGS:
            letters = word[1:].partition("o")[0]  # what follows -o is its value
            if set(letters) - set("cfmq") or word == "-":
                return []
            form = [f"-{letter}" for letter in letters if letter in "cm"] or form
            place += word.endswith("o") and word.count("o") == 1
    program = list(words[place:])
    return [*form, *program] if program else []
