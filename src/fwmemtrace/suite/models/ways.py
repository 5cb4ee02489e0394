"""The ways to run a model that are tried, and how a trial reports its result."""

from __future__ import annotations

import msgspec

AS_IS, FLOAT16, BFLOAT16, INT8 = "as it is", "float16 file", "bfloat16 file", "int8 dynamic"
ONNX, ONNX_INT8 = "ONNX Runtime", "ONNX Runtime int8"
TORCH_WAYS = (AS_IS, FLOAT16, BFLOAT16, INT8)
ONNX_WAYS = (ONNX, ONNX_INT8)
WAYS = (*TORCH_WAYS, *ONNX_WAYS)

FOUND, RESULT = "found.json", "{}.json"
MODULE, CALLS, ARRAYS, OUTPUTS, GRAPH = "module-{}.pt", "calls.pt", "call-{}.npz", "outputs.npz", "{}.onnx"
TOKENIZER = "tokenizer-{}.json"


class FoundModel(msgspec.Struct, kw_only=True):
    """A model that a component called.

    Attributes:
        name: its class.
        parameters: their number.
        bytes: the size of its parameters and buffers.
        dtype: the element type of most of them.
        calls: the number of calls that were kept.
        problems: for each way that cannot be tried, why.
        folder: where its files are.
    """

    name: str
    parameters: int
    bytes: int
    dtype: str
    calls: int
    problems: dict[str, str] = {}
    folder: str


class WayResult(msgspec.Struct, kw_only=True):
    """What one way to run a model took and gave.

    Attributes:
        held_bytes: RSS with the model loaded and the calls answered, less that of the bare process.
        peak_bytes: the highest RSS, less the same.
        call_ns: the median time of a call.
        largest_difference: between an output and that of the model as it is.
        cosine: the smallest cosine similarity of an output to that of the model as it is.
    """

    held_bytes: int
    peak_bytes: int
    call_ns: int
    largest_difference: float
    cosine: float
