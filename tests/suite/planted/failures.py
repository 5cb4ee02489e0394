"""Components that fail, between some that work."""

import os
import signal
import sys
import time

from fwmemtrace.suite import Component


def ask(made, item):
    return len(item)


def raise_error(made, item):
    raise ValueError("no\nway")


def hang(made, item):
    time.sleep(600)


def be_killed(made, item):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(made, item):
    sys.exit(3)


def leave_at_once(made, item):
    os._exit(4)


def need_too_much():
    return [bytearray(50_000_000) for _ in range(100)]


components = [
    Component("first", dict, ask, ["a"]),
    Component("raises", dict, raise_error, ["a"]),
    Component("hangs", dict, hang, ["a"]),
    Component("is killed", dict, be_killed, ["a"]),
    Component("leaves", dict, leave, ["a"]),
    Component("leaves at once", dict, leave_at_once, ["a"]),
    Component("needs too much", need_too_much, ask, ["a"]),
    Component("has no init", None, ask, ["a"]),
    "no_such_module:component",
    Component("last", dict, ask, ["a"], variants={"broken": lambda: 1 / 0}),
]

# Each works by itself, and the second does not beside the first.
started: list[str] = []


def start(name):
    def init():
        started.append(name)
        if len(started) > 1:
            raise RuntimeError("the port is taken")
        return bytearray(b"x") * 5_000_000

    return init


beside = [Component(name, start(name), lambda made, item: len(made), ["a"], batch=2) for name in ("one", "two")]
