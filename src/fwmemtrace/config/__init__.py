"""Settings: from arguments, then FWMEMTRACE_* variables, then [tool.fwmemtrace] in pyproject.toml, then defaults.

`service`, `instance` and `labels` may also come from OpenTelemetry's variables, which go before the defaults.
"""

from .settings import Settings, load, pyproject_table

__all__ = ["Settings", "load", "pyproject_table"]
