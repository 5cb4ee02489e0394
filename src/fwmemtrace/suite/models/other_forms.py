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


class ModelSwap:
    """Gives the model of a component the weights of another form. To be made before the component is.

    Args:
        form: the model and its form.
    """

    def __init__(self, form: ModelForm) -> None:
        self._form = form
        self._others = {id(one) for one in self._models()}  # those of the components before it

    def _models(self) -> list[Any]:
        torch: Any = sys.modules.get("torch")
        found = [] if torch is None else instances(gc.get_objects(), torch.nn.Module)
        return [one for one in found if type(one).__name__ == self._form.name]

    def make(self, spec: str) -> None:
        """Swap the weights, now that the component has been made.

        Args:
            spec: the suite, which may define the classes of the model or know where they are.

        Raises:
            SuiteError: if there is no such model.
        """
        made = [one for one in self._models() if id(one) not in self._others]
        module = max(made, key=_parameters, default=None)
        if module is None:
            raise SuiteError(f"{self._form.component} has made no {self._form.name}")
        _swap(module, self._form, spec)


def _swap(module: Any, form: ModelForm, spec: str) -> None:
    if form.way == INT8:
        quantize(module)
        return
    saved = load_saved(form.way, Path(form.folder), spec)
    for mine, theirs in (
        *zip(module.parameters(), saved.parameters(), strict=True),
        *zip(module.buffers(), saved.buffers(), strict=True),
    ):
        mine.data = theirs.data
    module.forward = _taking(sys.modules["torch"], next(saved.parameters()).dtype, module.forward)


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
