"""The figures of memory pools that packages keep for themselves."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from fwmemtrace.records import PoolFigures
from fwmemtrace.system.elf_symbols import find_symbol
from fwmemtrace.system.library_pools import read_pools


class Pool:
    """Like the class of the same job in pyarrow."""

    def __init__(self, backend: str, in_use: int, peak: int) -> None:
        self.backend_name = backend
        self._figures = in_use, peak

    def bytes_allocated(self) -> int:
        return self._figures[0]

    def max_memory(self) -> int:
        return self._figures[1]


def use(monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> None:
    for name in ("_duckdb", "duckdb.duckdb"):  # other tests may have imported it
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = ModuleType("pyarrow.lib")
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, "pyarrow.lib", module)


def test_the_default_pool_of_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, default_memory_pool=lambda: Pool("mimalloc", 5, 9))
    assert read_pools() == [PoolFigures("Arrow", "mimalloc", 5, 9)]


@pytest.mark.parametrize("pool", [Pool("system", 5, 9), Pool("mimalloc", 0, 0)], ids=["malloc's", "never used"])
def test_pools_that_say_nothing_new(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    use(monkeypatch, default_memory_pool=lambda: pool)
    assert read_pools() == []


def test_a_package_that_is_half_imported_or_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    assert read_pools() == []
    use(monkeypatch, default_memory_pool=lambda: object())
    assert read_pools() == []


def test_nothing_is_imported() -> None:
    program = (
        "import sys; from fwmemtrace.system.library_pools import read_pools; before = set(sys.modules); "
        "assert read_pools() == []; assert set(sys.modules) == before"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


DUCKDB = """
import sys
from fwmemtrace.system.library_pools import read_pools
import duckdb
unused = read_pools()
db = duckdb.connect()
db.execute("create table t as select range as id, md5(range::varchar) as name from range(300_000)")
(pool,) = read_pools()
print(unused, pool.owner, pool.allocator)
assert 10_000_000 < pool.in_use_bytes <= pool.peak_bytes < 100_000_000, pool
db.execute("drop table t")
assert read_pools()[0].in_use_bytes < pool.in_use_bytes - 5_000_000
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only DuckDB's builds for Linux have jemalloc")
def test_duckdb_is_asked_for_its_memory() -> None:
    pytest.importorskip("duckdb")
    done = subprocess.run([sys.executable, "-c", DUCKDB], check=True, capture_output=True, text=True)
    assert done.stdout.endswith(" DuckDB jemalloc\n")


POLARS = """
import polars
import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.sinks import MemorySink
from fwmemtrace.records import MappingsReading

sink = MemorySink()
with fwmemtrace.session(sink, probes=["mappings"], interval=0):
    with phase("load"):
        numbers = polars.int_range(0, 4_000_000, eager=True)
        frame = polars.DataFrame({"id": numbers, "name": numbers.cast(polars.String) + " and a longer name"})
readings = [record for record in sink.records if isinstance(record, MappingsReading) and record.rows]
owned = [sum(row.rss_bytes for row in reading.rows if row.owner == "polars' jemalloc") for reading in readings]
print(max(owned) - owned[0], frame.estimated_size())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF symbols")
def test_memory_of_polars_jemalloc_is_recognised() -> None:
    polars = pytest.importorskip("polars")
    if find_symbol(polars._plr.__file__, b"_rjem_mallctl") is None:
        pytest.skip("this build of polars has another allocator")
    done = subprocess.run([sys.executable, "-c", POLARS], check=True, capture_output=True, text=True)
    owned, size = map(int, done.stdout.split())
    assert owned > 0.8 * size
