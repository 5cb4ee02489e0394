"""A component with one torch model of 67 MB, and one without torch."""

from fwmemtrace.suite import Component


def make():
    import torch
    from planted_modules import Wide

    torch.manual_seed(0)
    return Wide().eval(), torch.randn(3, 4096)


def ask(made, item):
    import torch

    model, values = made
    with torch.inference_mode():
        return model(values[: len(item)]).float().sum().item()


components = [
    Component("guard", make, ask, ["a", "bb"], batch=2),
    Component("gate", lambda: bytearray(b"x") * 5_000_000, lambda made, item: len(item), ["a"], batch=2),
]
