"""Flat tables as Arrow tables and data frames. Each library is imported only when its tables are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..analysis.tables import FlatTable, arrow_table
from ..errors import missing_package

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


def to_arrow(tables: Sequence[FlatTable]) -> dict[str, pyarrow.Table]:
    """Return the tables as Arrow tables by name.

    Raises:
        MissingPackageError: if pyarrow is not installed.
    """
    try:
        return {table.name: arrow_table(table) for table in tables}
    except ImportError as error:
        raise missing_package("to_arrow", "pyarrow", "arrow") from error


def to_pandas(tables: Sequence[FlatTable]) -> dict[str, pandas.DataFrame]:
    """Return the tables as data frames by name; integers are of the type Int64, which knows empty cells.

    Raises:
        MissingPackageError: if pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise missing_package("to_pandas", "pandas", "pandas") from error
    types = {"int": "Int64", "float": "Float64", "text": "object"}
    return {
        table.name: pandas.DataFrame(
            {name: pandas.Series(table.column(at), dtype=types[kind]) for at, (name, kind) in enumerate(table.columns)}
        )
        for table in tables
    }


def to_polars(tables: Sequence[FlatTable]) -> dict[str, polars.DataFrame]:
    """Return the tables as polars' data frames by name.

    Raises:
        MissingPackageError: if polars is not installed.
    """
    try:
        import polars
    except ImportError as error:
        raise missing_package("to_polars", "polars", "polars") from error
    types = {"int": polars.Int64, "float": polars.Float64, "text": polars.String}
    return {
        table.name: polars.DataFrame(
            {name: table.column(at) for at, (name, _) in enumerate(table.columns)},
            schema={name: types[kind] for name, kind in table.columns},
        )
        for table in tables
    }
