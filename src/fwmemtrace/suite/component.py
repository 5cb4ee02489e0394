"""Components, and the suite files that list them.

A measured process imports this module before its component, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import sys

from ..errors import SuiteError, unknown_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    class ComponentLike(Protocol):
        """Any object with these attributes is a component.

        Optional attributes: `variants` (a dict of other init functions by name), `imports` (modules to import first, in
        the phase `import`) and `batch` (the number of requests in the phase `batch`).
        """

        name: str
        inputs: Sequence[Any]

        def init(self) -> Any:
            """Make the instance that answers requests."""

        def request(self, component: Any, item: Any) -> Any:
            """Answer one request; `component` is what `init` returned."""


REQUESTS = 100
DEFAULT_LIST = "components"


class Component:
    """A component that consists of plain functions.

    Args:
        name: its name in the report.
        init: makes the instance that answers requests.
        request: answers one request; called with the instance and one of `inputs`. May be a coroutine function.
        inputs: the requests; the batch repeats them as often as needed.
        variants: other ways to make the instance, by name. Each is measured in fresh processes, like the component.
        imports: modules to import first, so that their cost shows in the phase `import` and not in `init`.
        batch: the number of requests in the phase `batch`.

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
    """Split `FILE.py|MODULE[:NAME]` into its two parts.

    >>> split_spec("suite.py:gate"), split_spec("package.suite")
    (('suite.py', 'gate'), ('package.suite', None))
    """
    source, colon, name = spec.rpartition(":")
    if not colon or (len(source) == 1 and name[:1] in "/\\"):  # the only colon is that of a Windows drive
        return spec, None
    return source, name


def add_folder(spec: str) -> None:
    """Let modules next to a suite file be imported, or those of the current folder for a suite that is a module."""
    source = split_spec(spec)[0]
    is_file = source.endswith(".py") or os.sep in source
    sys.path.insert(0, os.path.dirname(os.path.abspath(source)) if is_file else os.getcwd())


def load_module(source: str) -> Any:
    """Import a suite file or module; a file can import the modules next to it, as if it were run as a program.

    Raises:
        SuiteError: if there is no such file or module. Exceptions raised by the file itself pass through.
    """
    if not (source.endswith(".py") or os.sep in source):
        sys.path.insert(0, os.getcwd())
        try:
            __import__(source)
        except ModuleNotFoundError as error:
            if error.name is not None and (source == error.name or source.startswith(error.name + ".")):
                raise SuiteError(f"no module named {source!r}; give a dotted name, or a path ending in .py") from error
            raise
        return sys.modules[source]
    if not os.path.isfile(source):
        raise SuiteError(f"{source}: no such file")
    path = os.path.abspath(source)
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    if name.isidentifier() and name not in sys.modules:
        __import__(name)  # under its own name, so that pickled objects and spawned workers find it
        module = sys.modules[name]
        if os.path.abspath(getattr(module, "__file__", "") or "") == path:
            return module
        del sys.modules[name]
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"fwmemtrace_suite_{name}", path)
    if spec is None or spec.loader is None:
        raise SuiteError(f"cannot import {source}; give a Python file ending in .py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def load_entries(spec: str) -> list[Any]:
    """Return the entries of the list that a spec names, unresolved.

    Args:
        spec: `FILE.py|MODULE[:NAME]`. NAME is another list, or one component of `components`.

    Raises:
        SuiteError: if there is no such file, module, list or component.
    """
    source, name = split_spec(spec)
    module = load_module(source)
    if name is not None and hasattr(module, name):
        named = getattr(module, name)
        return list(named) if isinstance(named, (list, tuple)) else [named]
    entries = getattr(module, DEFAULT_LIST, None)
    if isinstance(entries, (list, tuple)) and not entries:
        raise SuiteError(f"{source}: the list {DEFAULT_LIST!r} is empty; add at least one Component")
    if not isinstance(entries, (list, tuple)):
        raise SuiteError(
            f"{source} has no list {(name or DEFAULT_LIST)!r}; add `components = [Component(...), ...]` at its end"
        )
    if name is None:
        return list(entries)
    chosen = [entry for entry in entries if name_of(entry) == name]
    if not chosen:
        raise SuiteError(unknown_name("component", name, [name_of(entry) for entry in entries], source))
    return chosen


def service_variants(source: str, known: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Return the variants of the whole service that a suite declares as `variants`: several components changed at once.

    Args:
        source: the suite file or module.
        known: the variants of each component that runs; a variant of the service needs all of its components.

    Raises:
        SuiteError: if a component has no variant of that name.
    """
    declared = getattr(load_module(source), "variants", None)
    if not isinstance(declared, dict):
        return {}
    found = {}
    for name, parts in declared.items():
        if not isinstance(parts, dict):
            raise SuiteError(f"{source}: variants[{name!r}] is {parts!r}; give {{component: variant, ...}}")
        if not set(parts) <= set(known):
            continue
        for component, variant in parts.items():
            if variant not in known[component]:
                raise SuiteError(
                    unknown_name("variant", str(variant), list(known[component]), f"component {component!r}")
                )
        found[str(name)] = dict(parts)
    return found


def name_of(entry: Any) -> str:
    """Return the name of an entry without loading the component."""
    if isinstance(entry, str):
        return split_spec(entry)[1] or entry
    return str(getattr(entry, "name", None) or getattr(entry, "__name__", type(entry).__qualname__))


def resolve(entry: Any) -> ComponentLike:
    """Turn an entry into a component: load text such as `module:name`, call a class.

    Raises:
        SuiteError: if the component lacks a required attribute, or has a bad one.
    """
    if isinstance(entry, str):
        source, name = split_spec(entry)
        if name is None:
            raise SuiteError(f"the component {entry!r} names no object; write it as 'module:name'")
        entry = getattr(load_module(source), name, None)
        if entry is None:
            raise SuiteError(f"{source} has no component {name!r}")
    component: ComponentLike = entry() if isinstance(entry, type) else entry
    name = getattr(component, "name", None)
    if not isinstance(name, str) or not name:
        raise SuiteError(f"the component {entry!r} has no name; give it a `name` of type str")
    for attribute in ("init", "request"):
        if not callable(getattr(component, attribute, None)):
            raise SuiteError(f"the component {name!r} has no {attribute}() function")
    inputs = getattr(component, "inputs", None)
    if inputs is None or isinstance(inputs, (str, bytes)) or not hasattr(inputs, "__iter__") or not list(inputs):
        raise SuiteError(f"the component {name!r} has inputs={inputs!r}; give a list of at least one input")
    batch = getattr(component, "batch", REQUESTS)
    if not isinstance(batch, int) or batch < 1:
        raise SuiteError(f"the component {name!r} has batch={batch!r}; give a whole number of at least 1")
    return component
