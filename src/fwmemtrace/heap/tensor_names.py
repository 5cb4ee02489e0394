"""Which tensor is what: names and roles from the live torch modules and optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

PARAMETER, BUFFER, GRADIENT, OPTIMIZER, OTHER = "parameter", "buffer", "gradient", "optimizer", "other"


class Name(NamedTuple):
    """What is known of a tensor."""

    tensor: Any
    role: str
    owner: str  # the path from the outermost module, as `named_parameters` has it
    model: str  # the outermost module's class


def names_of(modules: Iterable[Any], optimizers: Iterable[Any]) -> Iterator[Name]:
    """Every tensor that a module or optimizer owns: parameters first, then buffers, gradients, optimizer state.

    A tensor with two names, such as a tied weight, comes twice. Modules are read through their `__dict__`: neither
    hooks nor a `__getattr__` of the program's run.

    Args:
        modules: live `torch.nn.Module`s, inner ones too.
        optimizers: live `torch.optim.Optimizer`s.
    """
    buffers: list[Name] = []
    parameters: list[Name] = []
    for root in outermost(list(modules)):
        model = type(root).__name__
        for prefix, module in walk(root):
            state = module.__dict__
            for role, found in ((PARAMETER, state.get("_parameters")), (BUFFER, state.get("_buffers"))):
                for name, tensor in (found or {}).items():
                    if tensor is not None:
                        (parameters if role == PARAMETER else buffers).append(Name(tensor, role, prefix + name, model))
    yield from parameters
    yield from buffers
    owners = {id(name.tensor): name for name in reversed(parameters)}
    for name in parameters:
        if name.tensor.is_leaf and name.tensor.grad is not None:
            yield Name(name.tensor.grad, GRADIENT, f"{name.owner}.grad", name.model)
    for optimizer in optimizers:
        for parameter, state in list((optimizer.__dict__.get("state") or {}).items()):
            owner = owners.get(id(parameter))
            prefix, model = (f"{owner.owner}.", owner.model) if owner is not None else ("", type(optimizer).__name__)
            for key, value in list(state.items()) if isinstance(state, dict) else []:
                for tensor in value if isinstance(value, (list, tuple)) else (value,):
                    if hasattr(tensor, "untyped_storage"):
                        yield Name(tensor, OPTIMIZER, f"{prefix}{key}", model)


def outermost(modules: list[Any]) -> list[Any]:
    """Those that no other one of them has as a child."""
    children = {id(child) for module in modules for child in (module.__dict__.get("_modules") or {}).values()}
    return [module for module in modules if id(module) not in children]


def walk(root: Any) -> Iterator[tuple[str, Any]]:
    """A module and all below it, each once for every path that leads to it, with that path and a dot."""
    waiting: list[tuple[str, Any, frozenset[int]]] = [("", root, frozenset())]
    while waiting:
        prefix, module, above = waiting.pop()
        if module is None or id(module) in above:  # a cycle of modules
            continue
        yield prefix, module
        inside = above | {id(module)}
        children = list((module.__dict__.get("_modules") or {}).items())
        waiting += [(f"{prefix}{name}.", child, inside) for name, child in reversed(children)]
