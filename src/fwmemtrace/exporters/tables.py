"""Writes the results as tables, a file for each: Parquet by Arrow, or CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from ..analysis.tables import FlatTable, arrow_table
from ..errors import SettingsError, missing_package, unknown_name
from ..reports.visible import visible
from .base import TraceLike


class TablesExporter:
    """Writes a folder with a file for each table.

    Args:
        table: the name of the only table to write, to a file instead of a folder; None for all.
    """

    suffix = ""

    def __init__(self, table: str | None = None) -> None:
        self._table = table

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the files.

        Raises:
            SettingsError: if there is no such table.
            MissingPackageError: if pyarrow is needed and not installed.
            OSError: if a file cannot be written.
        """
        tables = {table.name: table for table in trace.tables()}
        if self._table is not None:
            if self._table not in tables:
                raise SettingsError(unknown_name("table", self._table, list(tables)))
            self._writer()(tables[self._table], out_path)
            return
        write = self._writer()
        out_path.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            write(table, out_path / f"{name}{self.suffix}")

    def _writer(self) -> Callable[[FlatTable, Path], None]:
        raise NotImplementedError


class CsvExporter(TablesExporter):
    """Writes CSV files. Control characters in names are escaped."""

    suffix = ".csv"

    def _writer(self) -> Callable[[FlatTable, Path], None]:
        return _write_csv


class ParquetExporter(TablesExporter):
    """Writes Parquet files, for DuckDB, Spark, pandas and others; needs pyarrow."""

    suffix = ".parquet"

    def _writer(self) -> Callable[[FlatTable, Path], None]:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise missing_package("Parquet", "pyarrow", "arrow") from error
        return lambda table, path: parquet.write_table(arrow_table(table), path)


def _write_csv(table: FlatTable, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name for name, _ in table.columns])
        writer.writerows(map(_cells, table.rows))


def _cells(row: Sequence[object]) -> list[object]:
    return [visible(value) if isinstance(value, str) else value for value in row]
