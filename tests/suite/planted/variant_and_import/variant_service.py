"""The variant alone costs 8 MB, since the import stays; moving the import alone saves nothing, since it is used."""

from fwmemtrace.suite import Component


def make_full():
    from detectors import Full

    return Full()


def make_lean():
    from detectors import Lean

    return Lean()


def check(made, text):
    return made.check(text)


components = [
    Component("detector", make_full, check, ["a", "bb"], variants={"lean": make_lean}, batch=3),
    Component("gate", dict, lambda made, text: len(text), ["a"], batch=3),
]
