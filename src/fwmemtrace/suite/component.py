"""What a component is, and how a suite file is read.

The process that is measured imports this module before the component, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import sys

from ..errors import SuiteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    class ComponentLike(Protocol):
        """Any object with these will do.

        Optional besides: `variants` (name -> another init), `imports` (names of modules to import first, in the phase
        `import`) and `batch` (requests of the phase `batch`).
        """

        name: str
        inputs: Sequence[Any]

        def init(self) -> Any:
            """Make what answers the requests."""

        def request(self, component: Any, item: Any) -> Any:
            """Answer one request with what `init` made."""


REQUESTS = 100
DEFAULT_LIST = "components"


class Component:
    """The ready component for plain functions.

    Args:
        name: what the report calls it.
        init: makes what answers the requests.
        request: answers one of `inputs` with what `init` made; a coroutine function will do too.
        inputs: the requests; the batch goes round them as often as it needs.
        variants: other ways to make it, by name; each is measured in fresh processes as the component itself is.
        imports: modules to import first, so that their cost shows in the phase `import` and not in `init`.
        batch: how many requests the phase `batch` makes.

    >>> Component("gate", init=dict, request=dict.get, inputs=["a"])
    Component('gate')
    """

    __slots__ = ("batch", "imports", "init", "inputs", "name", "request", "variants")

    def __init__(
        self,
        name: str,
        init: Callable[[], Any],
        request: Callable[[Any, Any], Any],
        inputs: Sequence[Any],
        variants: Mapping[str, Callable[[], Any]] | None = None,
        imports: Sequence[str] = (),
        batch: int = REQUESTS,
    ) -> None:
        self.name = name
        self.init = init
        self.request = request
        self.inputs = inputs
        self.variants = dict(variants or {})
        self.imports = tuple(imports)
        self.batch = batch

    def __repr__(self) -> str:
        return f"Component({self.name!r})"


def split_spec(spec: str) -> tuple[str, str | None]:
    """Cut `FILE.py|MODULE[:NAME]` into its two parts.

    >>> split_spec("suite.py:gate"), split_spec("package.suite")
    (('suite.py', 'gate'), ('package.suite', None))
    """
    source, colon, name = spec.rpartition(":")
    if not colon or (len(source) == 1 and name[:1] in "/\\"):  # no colon but that of a Windows drive
        return spec, None
    return source, name


def load_module(source: str) -> Any:
    """Import a suite file or module, the way that starting it as a program would find its neighbours.

    Raises:
        SuiteError: if there is no such file or module. What the file itself raises goes through as it is.
    """
    if not (source.endswith(".py") or os.sep in source):
        sys.path.insert(0, os.getcwd())
        try:
            __import__(source)
        except ModuleNotFoundError as error:
            if error.name is not None and (source == error.name or source.startswith(error.name + ".")):
                raise SuiteError(
                    f"found no module {source!r}, expected one that can be imported: give its dotted name, or the "
                    "path of a file that ends in .py"
                ) from error
            raise
        return sys.modules[source]
    if not os.path.isfile(source):
        raise SuiteError(f"found no file {source!r}, expected a suite file such as suite.py: check the path")
    path = os.path.abspath(source)
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    if name.isidentifier() and name not in sys.modules:
        __import__(name)  # its own name, so that what it pickles or spawns finds it again
        module = sys.modules[name]
        if os.path.abspath(getattr(module, "__file__", "") or "") == path:
            return module
        del sys.modules[name]
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"fwmemtrace_suite_{name}", path)
    if spec is None or spec.loader is None:
        raise SuiteError(f"found that {source!r} cannot be imported, expected a Python file: give one ending in .py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def load_entries(spec: str) -> list[Any]:
    """The entries of the list that a spec names, as they stand there.

    Args:
        spec: `FILE.py|MODULE[:NAME]`, NAME being that of another list, or of one component of `components`.

    Raises:
        SuiteError: if there is no such file, module, list or component.
    """
    source, name = split_spec(spec)
    module = load_module(source)
    if name is not None and hasattr(module, name):
        found = getattr(module, name)
        return list(found) if isinstance(found, (list, tuple)) else [found]
    entries = getattr(module, DEFAULT_LIST, None)
    if not isinstance(entries, (list, tuple)) or not entries:
        raise SuiteError(
            f"found no list {(name or DEFAULT_LIST)!r} in {source}, expected one of components: "
            "write `components = [Component(...), ...]` at the end of it"
        )
    if name is None:
        return list(entries)
    chosen = [entry for entry in entries if name_of(entry) == name]
    if not chosen:
        there = ", ".join(repr(name_of(entry)) for entry in entries)
        raise SuiteError(f"found no component {name!r} in {source}, expected one of {there}")
    return chosen


def name_of(entry: Any) -> str:
    """What an entry of the list is called, without loading what it stands for."""
    if isinstance(entry, str):
        return split_spec(entry)[1] or entry
    return str(getattr(entry, "name", None) or getattr(entry, "__name__", type(entry).__qualname__))


def resolve(entry: Any) -> ComponentLike:
    """Turn an entry into a component: text such as `module:name` is loaded, a class is called.

    Raises:
        SuiteError: if something that a component must have is missing, naming it.
    """
    if isinstance(entry, str):
        source, name = split_spec(entry)
        if name is None:
            raise SuiteError(f"found the component {entry!r}, expected text such as 'module:name' or an object")
        entry = getattr(load_module(source), name, None)
        if entry is None:
            raise SuiteError(f"found no {name!r} in {source}, expected a component: check the name")
    component: ComponentLike = entry() if isinstance(entry, type) else entry
    called = getattr(component, "name", None)
    if not isinstance(called, str) or not called:
        raise SuiteError(f"found {entry!r} without a name, expected a component: give it a `name` that is text")
    for attribute in ("init", "request"):
        if not callable(getattr(component, attribute, None)):
            raise SuiteError(f"found no {attribute}() in the component {called!r}, expected a function: add it")
    inputs = getattr(component, "inputs", None)
    if inputs is None or isinstance(inputs, (str, bytes)) or not hasattr(inputs, "__iter__") or not list(inputs):
        raise SuiteError(f"found the inputs {inputs!r} in the component {called!r}, expected a list of at least one")
    batch = getattr(component, "batch", REQUESTS)
    if not isinstance(batch, int) or batch < 1:
        raise SuiteError(f"found batch={batch!r} in the component {called!r}, expected a whole number of at least 1")
    return component
