"""Sets options of libraries that save memory as soon as a library is imported, to measure what they save.

In the pass that watches what a component uses, it changes nothing, and notes which options would change something.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from ..packages import is_standard

ARENA, PADDING, CACHES = "onnxruntime arena", "padding", "bounded caches"
SLEEP = "onnxruntime sleep"  # no lever: see `_sleeping_threads`
CACHE_ENTRIES = 16

_Matters = Callable[[], bool]  # called where an option would change something: whether to change it


def _without_arena(onnxruntime: Any, matters: _Matters) -> None:
    """Make each session without an arena and without a plan of its memory."""
    real = onnxruntime.InferenceSession.__init__

    def made(self: Any, path_or_bytes: Any, sess_options: Any = None, *others: Any, **named: Any) -> None:
        options = sess_options or onnxruntime.SessionOptions()
        if (options.enable_cpu_mem_arena or options.enable_mem_pattern) and matters():
            options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        real(self, path_or_bytes, options, *others, **named)

    onnxruntime.InferenceSession.__init__ = made


def _sleeping_threads(onnxruntime: Any, matters: _Matters) -> None:
    """Let idle threads of each session sleep, as OMP_WAIT_POLICY does for those of OpenMP: no memory depends on it."""
    real = onnxruntime.InferenceSession.__init__

    def made(self: Any, path_or_bytes: Any, sess_options: Any = None, *others: Any, **named: Any) -> None:
        options = sess_options or onnxruntime.SessionOptions()
        if matters():
            with suppress(Exception):  # an entry that this version does not know
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        real(self, path_or_bytes, options, *others, **named)

    onnxruntime.InferenceSession.__init__ = made


def _padding_to_longest(tokenization: Any, matters: _Matters) -> None:
    """Let tokenizers of transformers pad to the longest text of a batch wherever they are asked for a fixed length."""
    base = tokenization.PreTrainedTokenizerBase
    real = base._get_padding_truncation_strategies  # every way to call a tokenizer asks it

    def strategies(self: Any, padding: Any = False, *others: Any, **named: Any) -> Any:
        return real(self, "longest" if padding == "max_length" and matters() else padding, *others, **named)

    base._get_padding_truncation_strategies = strategies


def _padding_without_length(tokenizers: Any, matters: _Matters) -> None:
    """Do the same where the library tokenizers is used by itself."""
    real = tokenizers.Tokenizer.enable_padding

    def enable_padding(self: Any, *others: Any, **named: Any) -> Any:
        if named.get("length") is not None and matters():
            named["length"] = None
        return real(self, *others, **named)

    tokenizers.Tokenizer.enable_padding = enable_padding


# For each option, the modules whose import brings what it changes, and the change.
_OPTIONS: dict[str, dict[str, Callable[[Any, _Matters], None]]] = {
    SLEEP: {"onnxruntime": _sleeping_threads},
    ARENA: {"onnxruntime": _without_arena},
    PADDING: {"transformers.tokenization_utils_base": _padding_to_longest, "tokenizers": _padding_without_length},
}
OPTIONS = (ARENA, PADDING, CACHES)


class LibraryOptions:
    """An import hook that sets options.

    Args:
        options: names of options.
        watch: whether to change nothing, and to note which of them would change something.
    """

    def __init__(self, options: Sequence[str], *, watch: bool = False) -> None:
        self._options = options
        self._watch = watch
        self._matter: set[str] = set()
        self._caches: list[Any] = []
        self._changes: dict[str, list[Callable[[Any], None]]] = {}
        for option in options:
            for module, change in _OPTIONS.get(option, {}).items():
                self._changes.setdefault(module, []).append(self._change(option, change))

    def _change(self, option: str, change: Callable[[Any, _Matters], None]) -> Callable[[Any], None]:
        def matters() -> bool:
            self._matter.add(option)
            return not self._watch

        return lambda module: change(module, matters)

    def install(self) -> None:
        """Begin to set them."""
        sys.meta_path.insert(0, self)
        if CACHES in self._options:
            self._bound_caches()

    def noted(self) -> dict[str, list[str]]:
        """Return the options that would change something, each with what it is about: caches and their entries."""
        found: dict[str, list[str]] = {option: [] for option in self._options if option in self._matter}
        if caches := list(self._large_caches()):
            found[CACHES] = caches
        return found

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that has an option before the import system does; see importlib.abc.MetaPathFinder."""
        changes = self._changes.pop(name, None)
        if changes is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            for change in changes:
                change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec

    def _bound_caches(self) -> None:
        """Gives each `lru_cache(maxsize=None)` that is made from now on a bound, except in the standard library."""
        import functools

        real: Any = functools.lru_cache

        def lru_cache(maxsize: Any = 128, typed: bool = False) -> Any:
            if maxsize is not None:
                return real(maxsize, typed)

            def decorate(function: Any) -> Any:
                own = not is_standard(str(getattr(function, "__module__", "")))
                made = real(CACHE_ENTRIES if own and not self._watch else None, typed)(function)
                if own:
                    self._caches.append(made)
                return made

            return decorate

        functools.lru_cache = lru_cache

    def _large_caches(self) -> Iterator[str]:
        for cache in self._caches:
            entries = cache.cache_info().currsize
            if entries > CACHE_ENTRIES:
                yield f"{cache.__module__}.{cache.__qualname__}: {entries:,} entries"
