"""The program of a fresh interpreter: `python -m fwmemtrace.suite.child TASK`, TASK being the file of a `ChildTask`.

With `--list SPEC ANSWER` it writes the entries of a suite instead.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from .protocol import ChildTask


def main(arguments: list[str]) -> int:
    """Runs the task. The exit status is 0 even if the component fails: the status file says so."""
    if arguments[0] == "--list":
        from .listing import list_entries

        Path(arguments[2]).write_bytes(msgspec.json.encode(list_entries(arguments[1])))
        return 0
    task = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=ChildTask)
    while task.wait_for and not os.path.exists(task.wait_for):  # until it is in its control group
        if os.getppid() == 1:
            return 1
        time.sleep(0.001)
    if task.address_space:
        from .limits import limit_address_space

        limit_address_space(task.address_space)
    from .stage_runner import StageRunner

    StageRunner(task).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
