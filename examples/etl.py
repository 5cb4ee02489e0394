"""A small ETL job on pandas and pyarrow, and where its memory goes: read, clean, join, convert, write, aggregate.

    python -m fwmemtrace run --report examples/etl.py    traced, with the report at the end
    python examples/etl.py [ROWS]                        the same job, not traced

It makes its own data: orders and customers as CSV files in a temporary folder. It needs the extra `etl`.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from fwmemtrace import phase

ROWS = 1_000_000
CUSTOMERS = 50_000
REGIONS = ("north", "east", "south", "west")


@phase
def write_inputs(folder: Path, rows: int) -> None:
    """Write the files that a real job would be given."""
    random.seed(0)
    with (folder / "customers.csv").open("w") as file:
        file.write("customer,name,region\n")
        for number in range(CUSTOMERS):
            file.write(f"{number},customer number {number},{random.choice(REGIONS)}\n")
    with (folder / "orders.csv").open("w") as file:
        file.write("order,customer,amount,note\n")
        for number in range(rows):
            file.write(f"{number},{random.randrange(CUSTOMERS)},{random.random() * 100:.2f},note {number % 997}\n")


@phase
def read_orders(folder: Path) -> pd.DataFrame:
    """Read the large table."""
    return pd.read_csv(folder / "orders.csv")


@phase
def read_customers(folder: Path) -> pd.DataFrame:
    """Read the small table."""
    return pd.read_csv(folder / "customers.csv")


@phase
def clean(orders: pd.DataFrame) -> pd.DataFrame:
    """Add columns, and leave out orders of next to nothing."""
    kept = orders[orders["amount"] > 1].copy()
    kept["tax"] = kept["amount"] * 0.19
    kept["total"] = kept["amount"] + kept["tax"]
    return kept


@phase
def join(orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """Give each order its customer."""
    return orders.merge(customers, on="customer", how="left")


@phase
def convert(joined: pd.DataFrame) -> pa.Table:
    """Turn the frame into an Arrow table, in memory of Arrow's own pool."""
    return pa.Table.from_pandas(joined, preserve_index=False)


@phase
def write(table: pa.Table, path: Path) -> None:
    """Write the table as Parquet."""
    parquet.write_table(table, path)


@phase
def load(path: Path) -> pa.Table:
    """Read it again, as the next job would."""
    return parquet.read_table(path)


@phase
def by_customer(joined: pd.DataFrame) -> dict[int, list[float]]:
    """Collect the amounts of each customer in Python objects, which take more room than the columns."""
    amounts: dict[int, list[float]] = {}
    for customer, amount in zip(joined["customer"], joined["amount"], strict=True):
        amounts.setdefault(customer, []).append(amount)
    return amounts


def main() -> dict[str, Any]:
    """Run all steps; the result of each is kept, as in a notebook."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, rows)
        kept["orders"] = read_orders(folder)
        kept["customers"] = read_customers(folder)
        kept["cleaned"] = clean(kept["orders"])
        kept["joined"] = join(kept["cleaned"], kept["customers"])
        kept["table"] = convert(kept["joined"])
        write(kept["table"], folder / "orders.parquet")
        kept["loaded"] = load(folder / "orders.parquet")
        kept["amounts"] = by_customer(kept["joined"])
    print(f"{len(kept['joined']):,} orders of {len(kept['amounts']):,} customers")
    return kept


if __name__ == "__main__":
    main()
