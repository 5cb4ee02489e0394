"""Two components that import the same large module: only both edits together save anything in the service."""

from fwmemtrace.suite import Component


def make_guard():
    from guard import Guard

    return Guard()


def make_sessions():
    from sessions import Sessions

    return Sessions()


def check(made, text):
    return made.check(text)


components = [
    Component("guard", make_guard, check, ["a"], batch=3),
    Component("sessions", make_sessions, check, ["a"], batch=3),
]
