"""The dataset on disk, or on any file system that fsspec knows: `TABLE/service=S/day=D/PART.parquet`.

A process is in the dataset once its row of `processes` is, which is written after its rows of the other tables. So a
reader never sees half of a process, and adding a trace again adds nothing. What a killed `add` or `compact` leaves is
ignored by readers, since no row of `processes` names its part.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import FwmemtraceError
from .rows import ProcessRows
from .tables import TABLES

_ROW_GROUP = 1_000_000
_LAST = "processes"  # what makes the rest count
_MANY_PARTS = 8
_LONGEST = 200  # characters of a folder's name; most file systems allow 255


class DatasetError(FwmemtraceError):
    """A dataset cannot be read or written."""


class Snapshot(NamedTuple):
    """The files of a dataset at one moment.

    Attributes:
        root: the URL of the dataset.
        files: URLs by table, without those of parts that do not count.
        repeated: whether a process is in more than one of them, as after a compaction that was killed; the one with the
            largest `part` counts.
    """

    root: str
    files: dict[str, list[str]]
    repeated: bool


class Dataset:
    """A dataset.

    Args:
        path: a folder, or a URL such as s3://bucket/memory; other keyword arguments are those of its file system.

    Raises:
        DatasetError: if there is no file system for the URL.
    """

    def __init__(self, path: str, **options: Any) -> None:
        try:
            self.files, self.root = fsspec.core.url_to_fs(path, **options)
        except (ValueError, ImportError) as error:
            raise DatasetError(f"{path}: {error}") from error
        self.path = path

    def add(self, processes: Iterable[ProcessRows]) -> int:
        """Add processes that are not in the dataset yet.

        Only the partitions of their days are looked at, so the cost does not depend on the days before.

        Returns:
            How many were added.

        Raises:
            DatasetError: if the dataset cannot be written.
        """
        partitions: dict[tuple[str, str], dict[str, ProcessRows]] = defaultdict(dict)
        for rows in processes:
            partitions[fitting_name(rows.service), rows.day][rows.process] = rows
        added = 0
        for (service, day), rows_by_process in partitions.items():
            folder = partition(service, day)
            for process in self._known(folder):
                rows_by_process.pop(process, None)
            if rows_by_process:
                self._write(folder, list(rows_by_process.values()))
                added += len(rows_by_process)
        return added

    def write_tables(self, service: str, day: str, name: str, tables: dict[str, pa.Table]) -> None:
        """Write one part of a partition; rows of the table `processes` last.

        Args:
            service: of the partition.
            day: of the partition, such as "2026-11-27".
            name: of the part; the column `part` has it too.
            tables: rows by table.
        """
        self._write_part(partition(service, day), name, tables)

    def compact(self, most_parts: int = _MANY_PARTS) -> int:
        """Merge the parts of each partition that has more than so many.

        Returns:
            How many files are fewer.
        """
        fewer = 0
        for folder in self._partitions():
            before = self._parts(_LAST, folder)
            if len(before) > most_parts:
                fewer += self._compact(folder, before)
        return fewer

    def tables(self) -> list[str]:
        """Return the names of the tables that have rows."""
        return [name for name in TABLES if self.files.exists(f"{self.root}/{name}")]

    def snapshot(self) -> Snapshot:
        """Return the files that count now.

        Raises:
            DatasetError: if there are none, or they are damaged.
        """
        files = {table: self.files.glob(f"{self.root}/{table}/*/*/*.parquet") for table in TABLES}
        if not files[_LAST]:
            raise DatasetError(f"{self.path} is not a fleet dataset, or is empty; add traces with `fleet add`")
        parts = {_part_of(path) for path in files[_LAST]}
        processes = sum(self._rows(path) for path in files[_LAST])
        return Snapshot(
            root=self.files.unstrip_protocol(self.root),
            files={
                table: sorted(self.files.unstrip_protocol(path) for path in paths if _part_of(path) in parts)
                for table, paths in files.items()
            },
            repeated=processes > len(self._live(files[_LAST])),
        )

    def _compact(self, folder: str, before: Sequence[str]) -> int:
        name = _part_name(before)
        merged = {
            table: self._read(table, folder, before).drop_columns("part") for table in TABLES if table in self.tables()
        }
        for table, rows in merged.items():
            part = pa.array([name] * len(rows), pa.string())
            merged[table] = rows.add_column(0, "part", part).cast(TABLES[table])
        self._write_part(folder, name, merged)
        old = [
            path
            for table in (_LAST, *(name for name in TABLES if name != _LAST))
            for path in self._files(table, folder)
            if not path.endswith(f"/{name}.parquet")
        ]
        for path in old:  # those of `processes` first: rows whose part is not named any more do not count
            self.files.rm_file(path)
        return len(old)

    def _read(self, table: str, folder: str, parts: Sequence[str]) -> pa.Table:
        """Read the rows that count: each process once."""
        tables = [self._open(path) for path in self._files(table, folder)]
        rows = pa.concat_tables(tables) if tables else TABLES[table].empty_table()
        live = self._live([path for path in self._files(_LAST, folder) if _part_of(path) in parts])
        place = pc.index_in(rows["process"], value_set=pa.array(live, pa.string()))
        part = pa.array(live.values(), pa.string()).take(place.combine_chunks())
        return rows.filter(pc.fill_null(pc.equal(part, rows["part"].combine_chunks()), False))

    def _live(self, files: Iterable[str]) -> dict[str, str]:
        """Return the part that counts for each process of these files of the table `processes`."""
        live: dict[str, str] = {}
        for path in files:
            for row in self._open(path, ["process", "part"]).to_pylist():
                live[row["process"]] = max(live.get(row["process"], ""), row["part"])
        return live

    def _known(self, folder: str) -> Iterator[str]:
        for path in self._files(_LAST, folder):
            yield from self._open(path, ["process"])["process"].to_pylist()

    def _open(self, path: str, columns: list[str] | None = None) -> pa.Table:
        with self._parquet(path) as file:
            return file.read(columns)

    def _rows(self, path: str) -> int:
        with self._parquet(path) as file:
            rows: int = file.metadata.num_rows
            return rows

    @contextmanager
    def _parquet(self, path: str) -> Iterator[pq.ParquetFile]:
        try:
            with self.files.open(path, "rb") as file:
                yield pq.ParquetFile(file)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{path} cannot be read: {error}") from error

    def _write(self, folder: str, processes: Sequence[ProcessRows]) -> None:
        name = _part_name([rows.process for rows in processes])
        tables = {
            table: pa.Table.from_pylist(
                [{**row, "part": name} for rows in processes for row in rows.tables[table]], schema=schema
            )
            for table, schema in TABLES.items()
        }
        self._write_part(folder, name, tables)

    def _write_part(self, folder: str, name: str, tables: dict[str, pa.Table]) -> None:
        try:
            for table in sorted(tables, key=lambda table: table == _LAST):
                if len(tables[table]):
                    self.files.makedirs(f"{self.root}/{table}/{folder}", exist_ok=True)
                    with self.files.open(f"{self.root}/{table}/{folder}/{name}.parquet", "wb") as file:
                        pq.write_table(tables[table], file, compression="zstd", row_group_size=_ROW_GROUP)
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be written: {error}") from error

    def _partitions(self) -> list[str]:
        found = self.files.glob(f"{self.root}/{_LAST}/*/*")
        return ["/".join(path.rsplit("/", 2)[1:]) for path in found]

    def _files(self, table: str, folder: str) -> list[str]:
        found: list[str] = self.files.glob(f"{self.root}/{table}/{folder}/*.parquet")
        return sorted(found)

    def _parts(self, table: str, folder: str) -> list[str]:
        return [_part_of(path) for path in self._files(table, folder)]


def partition(service: str, day: str) -> str:
    """Return the folder of a partition; a service may have any name. See `fitting_name` for long ones."""
    return f"service={quote(service, safe=' ')}/day={day}"


def fitting_name(service: str) -> str:
    """Return a service's name, or its beginning and a digest if it is too long for the name of a folder.

    >>> fitting_name("guard"), len(fitting_name("x" * 10_000))
    ('guard', 190)
    """
    if len(quote(service, safe=" ")) <= _LONGEST:
        return service
    start = service[:_LONGEST]
    while len(quote(start, safe=" ")) > _LONGEST - 20:
        start = start[:-1]
    return f"{start}-{hashlib.sha256(service.encode()).hexdigest()[:9]}"


def _part_of(path: str) -> str:
    return path.rsplit("/", 1)[1].removesuffix(".parquet")


def _part_name(of: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(of)).encode()).hexdigest()[:24]
