"""Finds the models that a component's requests call, and writes what trials need: the modules, calls and outputs."""

from __future__ import annotations

import gc
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from ...heap.live_storages import instances
from ..listing import describe
from .ways import (
    ARRAYS,
    AS_IS,
    BFLOAT16,
    CALLS,
    FLOAT16,
    FOUND,
    GRAPH,
    MODULE,
    ONNX,
    ONNX_INT8,
    ONNX_WAYS,
    OUTPUTS,
    TOKENIZER,
    TORCH_WAYS,
    WAYS,
    FoundModel,
)

_MOST_CALLS = 8
_LEAST_BYTES = 2_000_000  # of parameters: a smaller model is not worth a trial
_COPIES = 4  # of its weights that the files of all trials take
_MAIN_SHARE = 0.9  # of the parameters of the outermost module that an inner one has to have to stand for it


def capture_models(answer: Callable[[], None], folder: Path) -> list[FoundModel]:
    """Answer requests, and write the models that they call.

    Args:
        answer: answers the requests.
        folder: where the files go.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return []
    calls = _Calls(torch)
    with calls.watched(), torch.no_grad():
        answer()
    found = []
    for number, module in enumerate(calls.models()):
        place = folder / str(number)
        place.mkdir()
        _write_tokenizers(place)
        found.append(_write(torch, module, calls.of(module), place))
    return found


def _write_tokenizers(folder: Path) -> None:
    """Write the tokenizers that transformers has made, as far as the library tokenizers can read them."""
    library: Any = sys.modules.get("transformers.tokenization_utils_base")
    made = [] if library is None else instances(gc.get_objects(), library.PreTrainedTokenizerBase)
    for number, tokenizer in enumerate(made):
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is not None and hasattr(backend, "save"):
            backend.save(str(folder / TOKENIZER.format(number)))


class _Calls:
    """The calls of modules with nothing but tensors and plain values."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._kept: dict[int, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {}
        modules = instances(gc.get_objects(), torch.nn.Module)
        inner = {id(child) for one in modules for child in one.modules() if child is not one}
        self._outermost = [one for one in modules if id(one) not in inner and _size(one) >= _LEAST_BYTES]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Keep the calls in this block. Some libraries call `forward` themselves, which no hook sees."""
        watched = [
            module
            for outer in self._outermost
            for module in outer.modules()
            if _size(module) >= _MAIN_SHARE * _size(outer)
        ]
        for module in watched:
            module.forward = self._watching(module, module.forward)
        try:
            yield
        finally:
            for module in watched:
                del module.forward

    def _watching(self, module: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
        kept = self._kept.setdefault(id(module), [])

        @wraps(forward)
        def called(*args: Any, **kwargs: Any) -> Any:
            if all(self._is_plain(one) for one in (*args, *kwargs.values())):
                _keep_largest(kept, (args, kwargs))
            return forward(*args, **kwargs)

        return called

    def _is_plain(self, value: Any) -> bool:
        return value is None or isinstance(value, (bool, int, float, str, self._torch.Tensor))

    def models(self) -> list[Any]:
        """Return for each outermost module the first one inside it that was called with plain values."""
        return [
            module
            for outer in self._outermost
            if (module := next((one for one in outer.modules() if self._kept.get(id(one))), None)) is not None
        ]

    def of(self, module: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Return the calls of a module."""
        # Tensors made in inference mode stay so, and nothing can be exported with them: copies made here are plain.
        return [_copied(args, kwargs) for args, kwargs in self._kept[id(module)]]


def _keep_largest(kept: list[tuple[tuple[Any, ...], dict[str, Any]]], call: tuple[Any, Any]) -> None:
    """Keeps a copy of a call, if it is one of the first or larger than one of those: large ones decide the peak."""
    smallest = min(kept, key=_elements) if len(kept) >= _MOST_CALLS else None
    if smallest is None:
        kept.append(_copied(*call))
    elif _elements(call) > _elements(smallest):
        at = next(number for number, one in enumerate(kept) if one is smallest)
        kept[at] = _copied(*call)


def _elements(call: tuple[tuple[Any, ...], dict[str, Any]]) -> int:
    return sum(one.numel() for one in _tensors(call).values())


def _copied(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return _cloned(args), dict(zip(kwargs, _cloned(tuple(kwargs.values())), strict=True))


def _cloned(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(value.detach().clone() if hasattr(value, "detach") else value for value in values)


def _size(module: Any) -> int:
    tensors = {id(one): one for one in (*module.parameters(), *module.buffers())}
    return sum(one.numel() * one.element_size() for one in tensors.values())


def first_tensor(output: Any) -> Any:
    """Return the first tensor of a model's output."""
    if hasattr(output, "detach"):
        return output
    values = output.values() if hasattr(output, "values") else output
    return first_tensor(next(iter(values)))


def _write(torch: Any, module: Any, calls: list[tuple[tuple[Any, ...], dict[str, Any]]], folder: Path) -> FoundModel:
    import numpy

    module = module.eval()
    parameters = list(module.parameters())
    found = FoundModel(
        name=type(module).__name__,
        parameters=sum(one.numel() for one in parameters),
        bytes=_size(module),
        dtype=str(parameters[0].dtype).removeprefix("torch."),
        calls=len(calls),
        folder=str(folder),
    )
    if shutil.disk_usage(folder).free < _COPIES * found.bytes:
        found.problems = dict.fromkeys(WAYS, f"{folder.parent} has no room for copies of the model")
        return found
    with torch.no_grad():
        outputs = [first_tensor(module(*args, **kwargs)).float().numpy() for args, kwargs in calls]
    numpy.savez(folder / OUTPUTS, *outputs)
    torch.save(calls, folder / CALLS)
    _trying(found, TORCH_WAYS, lambda: torch.save(module, folder / MODULE.format(AS_IS)))
    _trying(found, ONNX_WAYS, lambda: _export(torch, module, calls, folder))
    if ONNX not in found.problems:
        _trying(found, (ONNX_INT8,), lambda: _quantize(folder))
    for way, dtype in ((FLOAT16, torch.float16), (BFLOAT16, torch.bfloat16)):
        if found.dtype == str(dtype).removeprefix("torch."):
            found.problems[way] = "its weights are of that type already"
        elif way not in found.problems:  # last: it changes the module
            _trying(found, (way,), partial(_save_as, torch, module, dtype, folder / MODULE.format(way)))
    return found


def _save_as(torch: Any, module: Any, dtype: Any, file: Path) -> None:
    torch.save(module.to(dtype), file)


def _trying(found: FoundModel, ways: Sequence[str], write: Callable[[], object]) -> None:
    try:
        write()
    except Exception as error:
        found.problems.update(dict.fromkeys(ways, describe(error)[:300]))


def _export(torch: Any, module: Any, calls: list[tuple[tuple[Any, ...], dict[str, Any]]], folder: Path) -> None:
    """Write the graph, whose inputs are the tensors of the calls by name or by place, and those tensors as arrays."""
    import numpy

    args, kwargs = max(calls, key=_elements)
    plain = {name: value for name, value in kwargs.items() if not hasattr(value, "detach") and name != "return_dict"}
    names = list(_tensors((args, kwargs)))

    class Called(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *tensors: Any) -> Any:
            given = dict(zip(names, tensors, strict=True))
            positional = [given.get(f"input_{at}", one) for at, one in enumerate(args)]
            named = {name: one for name, one in given.items() if name in kwargs}
            return first_tensor(self.inner(*positional, **named, **plain))

    tensors = _tensors((args, kwargs))
    with _eager_attention(module), torch.no_grad():
        torch.onnx.export(
            Called(),
            tuple(tensors.values()),
            str(folder / GRAPH.format(ONNX)),
            input_names=names,
            output_names=["output"],
            dynamic_axes={name: {at: f"{name}_{at}" for at in range(one.dim())} for name, one in tensors.items()},
            dynamo=False,
        )
    for number, call in enumerate(calls):
        numpy.savez(folder / ARRAYS.format(number), **{name: one.numpy() for name, one in _tensors(call).items()})


@contextmanager
def _eager_attention(module: Any) -> Iterator[None]:
    """Let a transformers model compute attention in plain operations, which every exporter knows."""
    usual = getattr(getattr(module, "config", None), "_attn_implementation", None)
    if usual is None or not hasattr(module, "set_attn_implementation"):
        yield
        return
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation(usual)


def _tensors(call: tuple[tuple[Any, ...], dict[str, Any]]) -> dict[str, Any]:
    args, kwargs = call
    positional = {f"input_{at}": one for at, one in enumerate(args) if hasattr(one, "detach")}
    return {**positional, **{name: one for name, one in kwargs.items() if hasattr(one, "detach")}}


def _quantize(folder: Path) -> None:
    quantization: Any = import_module("onnxruntime.quantization")
    quantization.quantize_dynamic(str(folder / GRAPH.format(ONNX)), str(folder / GRAPH.format(ONNX_INT8)))


def write_found(found: Sequence[FoundModel], folder: Path) -> None:
    """Write what was found for the suite's process to read."""
    folder.joinpath(FOUND).write_bytes(msgspec.json.encode(list(found)))
