"""Two components that load the same 64 MB of weights: one copy would be enough for both."""

from fwmemtrace.suite import Component


def load():
    import torch

    torch.manual_seed(0)
    return torch.nn.Linear(4000, 4000)


def ask(made, item):
    return made.in_features + len(item)


components = [
    Component("guard", load, ask, ["a"], batch=2),
    Component("validator", load, ask, ["a"], batch=2),
]
