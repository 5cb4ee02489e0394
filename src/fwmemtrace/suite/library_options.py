"""Sets options of libraries that save memory as soon as a library is imported, to measure what they save."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

ARENA, PADDING = "onnxruntime arena", "padding"


def _without_arena(onnxruntime: Any) -> None:
    """Make each session without an arena and without a plan of its memory."""
    real = onnxruntime.InferenceSession.__init__

    def made(self: Any, path_or_bytes: Any, sess_options: Any = None, *others: Any, **named: Any) -> None:
        options = sess_options or onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        real(self, path_or_bytes, options, *others, **named)

    onnxruntime.InferenceSession.__init__ = made


def _padding_to_longest(tokenization: Any) -> None:
    """Let tokenizers pad to the longest text of a batch wherever they are asked to pad to a fixed length."""
    tokenizer = tokenization.PreTrainedTokenizerBase
    real = tokenizer.__call__

    def called(self: Any, *given: Any, **named: Any) -> Any:
        if named.get("padding") == "max_length":
            named["padding"] = "longest"
        return real(self, *given, **named)

    tokenizer.__call__ = called


# For each option, the module whose import brings what it changes, and the change.
_OPTIONS: dict[str, tuple[str, Callable[[Any], None]]] = {
    ARENA: ("onnxruntime", _without_arena),
    PADDING: ("transformers.tokenization_utils_base", _padding_to_longest),
}
MODULE_OF = {option: module for option, (module, _) in _OPTIONS.items()}


class LibraryOptions:
    """An import hook that sets options.

    Args:
        options: names of options.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._changes = dict(_OPTIONS[option] for option in options)

    def install(self) -> None:
        """Begin to set them."""
        sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that has an option before the import system does; see importlib.abc.MetaPathFinder."""
        change = self._changes.pop(name, None)
        if change is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
