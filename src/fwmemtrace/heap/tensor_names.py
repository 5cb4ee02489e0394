"""Finds the names and roles of tensors, from the live torch modules and optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

PARAMETER, BUFFER, GRADIENT, OPTIMIZER, OTHER = "parameter", "buffer", "gradient", "optimizer", "other"


class NamedTensor(NamedTuple):
    """A tensor and what is known of it."""

    tensor: Any
    role: str
    owner: str  # the path from the outermost module, as in `named_parameters`
    model: str  # the outermost module's class


def named_tensors(modules: Iterable[Any], optimizers: Iterable[Any]) -> Iterator[NamedTensor]:
    """Yield every tensor of a module or optimizer: parameters first, then buffers, gradients, optimizer state.

    A tensor with two names, such as a tied weight, comes twice. Modules are read through their `__dict__`, so that
    neither the program's hooks nor its `__getattr__` run.

    Args:
        modules: live `torch.nn.Module`s, inner ones too.
        optimizers: live `torch.optim.Optimizer`s.
    """
    parameters: list[NamedTensor] = []
    buffers: list[NamedTensor] = []
    for root in outermost(list(modules)):
        model = type(root).__name__
        for prefix, module in walk(root):
            state = module.__dict__
            for role, attribute, named in ((PARAMETER, "_parameters", parameters), (BUFFER, "_buffers", buffers)):
                for name, tensor in (state.get(attribute) or {}).items():
                    if tensor is not None:
                        named.append(NamedTensor(tensor, role, prefix + name, model))
    yield from parameters
    yield from buffers
    owners = {id(named.tensor): named for named in reversed(parameters)}
    for parameter in parameters:
        if parameter.tensor.is_leaf and parameter.tensor.grad is not None:
            yield NamedTensor(parameter.tensor.grad, GRADIENT, f"{parameter.owner}.grad", parameter.model)
    for optimizer in optimizers:
        for tensor, state in list((optimizer.__dict__.get("state") or {}).items()):
            owner = owners.get(id(tensor))
            prefix, model = (f"{owner.owner}.", owner.model) if owner is not None else ("", type(optimizer).__name__)
            for key, value in list(state.items()) if isinstance(state, dict) else []:
                for part in value if isinstance(value, (list, tuple)) else (value,):
                    if hasattr(part, "untyped_storage"):
                        yield NamedTensor(part, OPTIMIZER, f"{prefix}{key}", model)


def outermost(modules: list[Any]) -> list[Any]:
    """Return the modules that are not a child of another one."""
    children = {id(child) for module in modules for child in (module.__dict__.get("_modules") or {}).values()}
    return [module for module in modules if id(module) not in children]


def walk(root: Any) -> Iterator[tuple[str, Any]]:
    """Yield a module and all below it with their paths, which end with a dot; once for every path that leads there."""
    waiting: list[tuple[str, Any, frozenset[int]]] = [("", root, frozenset())]
    while waiting:
        prefix, module, above = waiting.pop()
        if module is None or id(module) in above:  # a cycle of modules
            continue
        yield prefix, module
        inside = above | {id(module)}
        children = list((module.__dict__.get("_modules") or {}).items())
        waiting += [(f"{prefix}{name}.", child, inside) for name, child in reversed(children)]
