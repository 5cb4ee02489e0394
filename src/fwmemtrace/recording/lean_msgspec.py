"""Imports msgspec without typing_extensions, which it prefers to `typing` if it is installed.

The names that it takes are the same in both (Python 3.11 is the oldest here). typing_extensions, with what it imports,
would take 1.5 MB of the traced process.
"""

from __future__ import annotations

import sys
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_MODULE = "msgspec._utils"  # of msgspec's modules, the one that imports it; it needs none of the others


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        code = super().get_code(fullname)
        if code is None:
            return None
        return code.replace(co_names=tuple("typing" if name == "typing_extensions" else name for name in code.co_names))


def import_msgspec() -> None:
    """Import msgspec, unless it or typing_extensions is there already."""
    if "msgspec" in sys.modules or "typing_extensions" in sys.modules:
        return
    try:
        package = PathFinder.find_spec("msgspec")
        spec = package and PathFinder.find_spec(_MODULE, package.submodule_search_locations)
        if not spec or type(spec.loader) is not SourceFileLoader:
            return
        spec.loader = _Loader(_MODULE, spec.loader.path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception:  # of another version, which needs more: then it is imported as it is
        return
    sys.modules.setdefault(_MODULE, module)
    import msgspec

    msgspec._utils = sys.modules[_MODULE]  # as an import of it would
