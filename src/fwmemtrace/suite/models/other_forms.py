"""Runs a component of the service with its model in another form, to measure what that saves there."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import SuiteError
from ...heap.live_storages import instances
from ..component import Component
from ..protocol import ModelForm
from .measure import in_onnx_runtime, load_saved, quantize
from .ways import INT8, ONNX_WAYS, TOKENIZER


def stand_in(form: ModelForm) -> Component | None:
    """Return a component that repeats the calls of a model without torch; None for a way that runs in torch.

    It has the model and its tokenizers, and not the component's other code, which imports torch.
    """
    if form.way not in ONNX_WAYS:
        return None
    folder = Path(form.folder)

    def init() -> tuple[Callable[[int], Any], list[Any]]:
        files = sorted(folder.glob(TOKENIZER.format("*")))
        tokenizers: Any = import_module("tokenizers") if files else None
        return in_onnx_runtime(form.way, folder), [tokenizers.Tokenizer.from_file(str(file)) for file in files]

    return Component(
        form.component, init, lambda made, number: made[0](number), range(form.calls), batch=max(form.calls, 1)
    )


def swap_model(form: ModelForm, spec: str) -> None:
    """Give a model that a component has just made the weights of another form.

    Raises:
        SuiteError: if there is no such model.
    """
    if form.way in ONNX_WAYS:
        return
    torch: Any = sys.modules.get("torch")
    found = [] if torch is None else instances(gc.get_objects(), torch.nn.Module)
    module = max((one for one in found if type(one).__name__ == form.name), key=_parameters, default=None)
    if module is None:
        raise SuiteError(f"{form.component} has made no {form.name}")
    if form.way == INT8:
        quantize(module)
        return
    saved = load_saved(form.way, Path(form.folder), spec)
    for mine, theirs in (
        *zip(module.parameters(), saved.parameters(), strict=True),
        *zip(module.buffers(), saved.buffers(), strict=True),
    ):
        mine.data = theirs.data
    module.forward = _taking(torch, next(saved.parameters()).dtype, module.forward)


def _taking(torch: Any, dtype: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that calls another one with its tensors of other float types converted."""

    def fitting(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    @wraps(forward)
    def called(*args: Any, **kwargs: Any) -> Any:
        return forward(*map(fitting, args), **{name: fitting(one) for name, one in kwargs.items()})

    return called


def _parameters(module: Any) -> int:
    return sum(one.numel() for one in module.parameters())
