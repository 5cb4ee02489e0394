"""What answers the questions: DuckDB inside this process, or a Spark session. Both run the same ibis expressions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir

from ..errors import missing_package
from .dataset import Dataset, DatasetError, Snapshot

ENGINES = ("duckdb", "spark")
_MEMORY = "1500MB"


class Fleet(NamedTuple):
    """The tables of a dataset, as ibis expressions. A table without rows has no columns to ask for, and is None."""

    processes: ir.Table
    phases: ir.Table | None
    imports: ir.Table | None
    owners: ir.Table | None


@contextmanager
def open_fleet(dataset: Dataset, engine: str = "duckdb", session: Any = None) -> Iterator[Fleet]:
    """Open a dataset for questions.

    Args:
        dataset: the dataset.
        engine: "duckdb" or "spark".
        session: for Spark, a session to use instead of a local one.

    Raises:
        DatasetError: if the engine is unknown or cannot start, or the dataset is empty or damaged.
        MissingPackageError: if its package is not installed.
    """
    snapshot = dataset.snapshot()
    if engine == "duckdb":
        import duckdb

        connection = ibis.duckdb.connect(memory_limit=_MEMORY)
        if not snapshot.root.startswith(("file://", "/")):
            connection.register_filesystem(dataset.files)
        try:
            yield _fleet(
                snapshot, lambda files: connection.read_parquet([_path(file) for file in files], hive_partitioning=True)
            )
        except duckdb.Error as error:
            raise _unreadable(dataset, error) from error
        finally:
            connection.disconnect()
    elif engine == "spark":
        with _spark(session) as (connection, spark):

            def read(files: list[str]) -> ir.Table:
                name = ibis.util.gen_name("fleet")
                table = files[0].removeprefix(f"{snapshot.root}/").partition("/")[0]
                frame = spark.read.option("basePath", f"{snapshot.root}/{table}").parquet(*files)
                frame.createOrReplaceTempView(name)
                return connection.table(name)

            from pyspark.errors import PySparkException

            try:
                yield _fleet(snapshot, read)
            except PySparkException as error:
                raise _unreadable(dataset, error) from error
    else:
        raise DatasetError(f"unknown engine {engine!r}; choose {' or '.join(ENGINES)}")


@contextmanager
def _spark(session: Any) -> Iterator[tuple[Any, Any]]:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise missing_package("the engine spark", "PySpark", "spark") from None
    spark = session
    if spark is None:
        try:
            spark = (
                SparkSession.builder.master("local[*]")
                .appName("fwmemtrace")
                .config("spark.ui.enabled", "false")
                .config("spark.ui.showConsoleProgress", "false")
                .config("spark.sql.shuffle.partitions", "8")
                .getOrCreate()
            )
        except Exception as error:  # PySpark raises its own error for a missing Java
            raise DatasetError(f"Spark cannot start: {error}; it needs Java 17 or newer") from error
    try:
        yield ibis.pyspark.connect(spark), spark
    finally:
        if session is None:
            spark.stop()


def _unreadable(dataset: Dataset, error: Exception) -> DatasetError:
    return DatasetError(f"{dataset.path} cannot be read: {str(error).partition(chr(10))[0]}")


def _path(url: str) -> str:
    return url.removeprefix("file://")


def _fleet(snapshot: Snapshot, read: Any) -> Fleet:
    tables: dict[str, ir.Table | None] = {
        name: read(files) if files else None for name, files in snapshot.files.items()
    }
    processes = tables["processes"]
    assert processes is not None
    if snapshot.repeated:
        latest = processes.group_by("process").agg(part=processes.part.max())
        tables = {
            name: None if table is None else table.semi_join(latest, ["process", "part"])
            for name, table in tables.items()
        }
    return Fleet(tables["processes"], tables["phases"], tables["imports"], tables["owners"])
