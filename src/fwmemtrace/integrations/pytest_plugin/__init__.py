"""The pytest plugin: memory by test, and markers that limit it.

pytest imports this module in every environment that has fwmemtrace. It only defines options and markers; what measures
is imported when an option, an ini setting or a marker asks for it.
"""

from __future__ import annotations

import pytest

from .options import MARKERS, Options, add_options

__all__ = ["pytest_addoption", "pytest_collection_finish", "pytest_configure"]

_NAME = "fwmemtrace-tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Define the options and ini settings."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Define the markers, and start to measure if an option or an ini setting says so."""
    for line in MARKERS.values():
        config.addinivalue_line("markers", line)
    options = Options.of(config)
    if options.asked and not config.option.collectonly:
        _start(config, options)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start to measure if a test has one of the markers."""
    config = session.config
    marked = any(item.get_closest_marker(name) is not None for item in session.items for name in MARKERS)
    if marked and not config.option.collectonly and not config.pluginmanager.has_plugin(_NAME):
        _start(config, Options.of(config))
    measuring = config.pluginmanager.get_plugin(_NAME)
    if measuring is not None:
        measuring.check(session.items)  # bad arguments of a marker end the run here, with one line


def _start(config: pytest.Config, options: Options) -> None:
    if hasattr(config, "workerinput") or not _distributes(config):
        from .measuring import TestMemory

        config.pluginmanager.register(TestMemory(config, options), _NAME)
    from .summary import MemorySummary

    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(MemorySummary(config, options), f"{_NAME}-summary")


def _distributes(config: pytest.Config) -> bool:
    """Return whether this process leaves the tests to workers of pytest-xdist."""
    return bool(config.getoption("tx", None)) and config.getoption("dist", "no") != "no"
