"""A component with two torch modules: one that every way can run, and one that cannot be exported."""

from fwmemtrace.suite import Component


def make():
    import torch
    from planted_modules import Branching, Small

    torch.manual_seed(0)
    return Small().eval(), Branching().eval(), torch.randn(3, 1024)


def ask(made, item):
    import torch

    small, branching, values = made
    with torch.inference_mode():
        return (small(values[: len(item)])["y"] + branching(values)).sum().item()


components = [Component("two models", make, ask, ["a", "bb"], batch=2)]
