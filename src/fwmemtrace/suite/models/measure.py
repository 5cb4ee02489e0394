"""Runs one way to run a model in this fresh process, on the calls that a component made, and says what it took."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median_low
from time import perf_counter_ns
from typing import Any

import msgspec

from ..component import add_folder, load_module, split_spec
from .ways import ARRAYS, AS_IS, CALLS, GRAPH, INT8, MODULE, ONNX_WAYS, OUTPUTS, RESULT, WayResult

_ROUNDS = 3
_TIMED_NS = 3_000_000_000  # more calls are not timed, beyond the first


def measure_way(way: str, folder: Path, calls: int, spec: str) -> None:
    """Load a model, repeat the calls, and write a `WayResult`.

    Args:
        way: one of `ways.WAYS`.
        folder: the files of the model.
        calls: the number of calls.
        spec: the suite, which may define the classes of the model or know where they are.
    """
    before = _rss()
    run = in_onnx_runtime(way, folder) if way in ONNX_WAYS else _in_torch(way, folder, spec)
    outputs = [run(number) for number in range(calls)]
    times: list[int] = []
    for number in [*range(calls)] * _ROUNDS:
        if sum(times) > _TIMED_NS:
            break
        began = perf_counter_ns()
        run(number)
        times.append(perf_counter_ns() - began)
    gc.collect()
    held, peak = _rss(), _peak()
    difference, cosine = _agreement(outputs, folder)
    result = WayResult(
        held_bytes=held - before,
        peak_bytes=peak - before,
        call_ns=median_low(times),
        largest_difference=difference,
        cosine=cosine,
    )
    folder.joinpath(RESULT.format(way)).write_bytes(msgspec.json.encode(result))


def load_saved(way: str, folder: Path, spec: str) -> Any:
    """Map the file of a model.

    Args:
        way: one of `ways.TORCH_WAYS` that has a file.
        folder: the files of the model.
        spec: the suite, which may define the classes of the model or know where they are.
    """
    import torch

    file = folder / MODULE.format(way)
    add_folder(spec)
    try:
        return torch.load(file, weights_only=False, mmap=True).eval()
    except (ImportError, AttributeError):
        load_module(split_spec(spec)[0])
        return torch.load(file, weights_only=False, mmap=True).eval()


def quantize(module: Any) -> Any:
    """Replace the linear layers inside a model by int8 ones."""
    import torch

    quantization: Any = torch.ao.quantization
    return quantization.quantize_dynamic(module, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)


def _in_torch(way: str, folder: Path, spec: str) -> Callable[[int], Any]:
    import torch

    from .capture import first_tensor

    module = load_saved(AS_IS if way == INT8 else way, folder, spec)
    if way == INT8:
        module = quantize(module)
    calls = torch.load(folder / CALLS, weights_only=False)
    dtype = next((one.dtype for one in module.parameters() if one.is_floating_point()), torch.float32)

    def fitting(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    def run(number: int) -> Any:
        args, kwargs = calls[number]
        with torch.inference_mode():
            output = module(*map(fitting, args), **{name: fitting(one) for name, one in kwargs.items()})
        return first_tensor(output).float().numpy()

    return run


def in_onnx_runtime(way: str, folder: Path) -> Callable[[int], Any]:
    """Load the graph of a model, and return what repeats one of its calls."""
    import numpy

    onnxruntime: Any = import_module("onnxruntime")
    session = onnxruntime.InferenceSession(str(folder / GRAPH.format(way)), providers=["CPUExecutionProvider"])
    wanted = {one.name for one in session.get_inputs()}

    def run(number: int) -> Any:
        with numpy.load(folder / ARRAYS.format(number)) as given:
            inputs = {name: given[name] for name in given.files if name in wanted}
        return session.run(None, inputs)[0]

    return run


def _agreement(outputs: Sequence[Any], folder: Path) -> tuple[float, float]:
    """Returns the largest difference from the model as it is, and the smallest cosine similarity."""
    import numpy

    difference, cosine = 0.0, 1.0
    with numpy.load(folder / OUTPUTS) as expected:
        for number, output in enumerate(outputs):
            left = numpy.asarray(output, dtype="float64").ravel()
            right = expected[f"arr_{number}"].astype("float64").ravel()
            difference = max(difference, float(numpy.abs(left - right).max()))
            length = float(numpy.linalg.norm(left) * numpy.linalg.norm(right))
            cosine = min(cosine, float(left @ right) / length if length else 1.0)
    return difference, cosine


def _rss() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
