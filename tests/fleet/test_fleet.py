"""A fleet's dataset: what is added, what the questions find, with both engines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.cli import main
from fwmemtrace.records import (
    CgroupReading,
    ModuleImport,
    PhaseBegin,
    PhaseEnd,
    Record,
    Sample,
    SessionBegin,
    SessionEnd,
)
from fwmemtrace.tracefile.encode import frame, header

for module in ("ibis", "duckdb", "pyarrow", "fsspec"):
    pytest.importorskip(module, reason="needs fwmemtrace[fleet]")

pytestmark = pytest.mark.slow

MB, SECOND, HOUR, DAY = 10**6, 10**9, 3600 * 10**9, 86_400 * 10**9
START = 1_790_000_000 * SECOND


def write_trace(
    folder: Path,
    number: int,
    *,
    service: str = "shop",
    host: str = "host 1",
    version: str = "1.0",
    day: int = 0,
    embed: int = 100 * MB,
    growth_per_hour: int = 0,
    limit: int | None = None,
    closed: bool = True,
) -> Path:
    """Write the trace of a process that loads torch, embeds, and then runs for an hour."""
    begin, base = number + 1, 50 * MB
    records: list[Record] = [
        SessionBegin(
            *(1, f"session {number}", 1000 + number, 1, "0", "3.11.7", "linux", ["python", "shop.py"]),
            *(START + day * DAY + number, 0, base, base, "kernel", ["resident", "imports"], {}),
            service=service,
            instance=f"pod {host}",
            labels={"host.name": host, "service.version": version},
        ),
        PhaseBegin(begin, 0, "init", 1, 1, base),
        ModuleImport(begin, "torch", None, "shop:1", 0, 1, 2, 80 * MB, 90 * MB, 5, 5),
        ModuleImport(begin, "torch.nn", "torch", "", 1, 1, 2, 10 * MB, 10 * MB, 5, 5),
        PhaseEnd(begin, 3, base + 90 * MB, base + 90 * MB),
        PhaseBegin(begin + 1, 0, "request", 1, 4, base + 90 * MB),
        PhaseBegin(begin + 2, begin + 1, "embed", 1, 5, base + 90 * MB),
        PhaseEnd(begin + 2, 6, base + 90 * MB + embed, base + 90 * MB + embed + number % 5 * 1000),
        PhaseEnd(begin + 1, 7, base + 90 * MB + embed, base + 90 * MB + embed + number % 5 * 1000),
    ]
    rss = base + 90 * MB + embed
    records += [
        Sample(minute * 60 * SECOND + 10, rss + growth_per_hour * minute // 60, 2 * rss) for minute in range(0, 61, 5)
    ]
    end = rss + growth_per_hour
    records.append(CgroupReading(HOUR, end, end, limit))
    if closed:
        records.append(SessionEnd(HOUR + 20, end, end + 1 * MB, 0))
    path = folder / f"{number}.bin"
    path.write_bytes(header(1000 + number) + b"".join(map(frame, records)))
    return path


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two services on many hosts over several days, with planted facts."""
    folder = tmp_path_factory.mktemp("traces")
    number = 0
    for day in range(4):
        for host in range(6):
            write_trace(
                folder,
                number,
                host=f"host {host}",
                day=day,
                version="1.0" if day < 2 else "1.1",
                embed=(100 if day < 2 else 140) * MB + (80 * MB if host == 3 else 0) + number * 7919 % 3 * 1000,
            )
            write_trace(folder, number + 500, service="guard / nli", host=f"host {host}", day=day, embed=300 * MB)
            number += 1
    write_trace(folder, 900, service="leaky", host="host 7", growth_per_hour=30 * MB, limit=300 * MB)
    write_trace(folder, 901, service="leaky", host="host 8", growth_per_hour=1 * MB, limit=300 * MB)
    write_trace(folder, 902, service="leaky", host="host 9", closed=False)
    return folder


@pytest.fixture(scope="module")
def dataset(traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of them, which a test must not change."""
    folder = tmp_path_factory.mktemp("fleet") / "dataset"
    assert main(["fleet", "add", str(traces), "--into", str(folder)]) == 0
    return folder


def ask(dataset: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["fleet", "report", str(dataset), "--format", "json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def add(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["fleet", "add", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_every_planted_fact_is_found(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(dataset, capsys)
    assert found["services"][0]["service"] == "guard / nli"
    assert found["services"][0]["p50_bytes"] == pytest.approx(441 * MB, abs=MB)
    versions = {row["version"]: row for row in found["versions"] if row["service"] == "shop"}
    assert versions["1.1"]["p50_bytes"] - versions["1.0"]["p50_bytes"] == pytest.approx(40 * MB, abs=0.1 * MB)
    assert found["hosts"][0]["host"] == "host 3"
    (grown,) = [row for row in found["grown"] if row["path"] == "request/embed"]
    assert (grown["service"], grown["from_version"], grown["version"]) == ("shop", "1.0", "1.1")
    assert grown["grew_bytes"] == pytest.approx(40 * MB, abs=0.1 * MB)
    assert {row["service"] for row in found["grown"]} == {"shop"}
    assert {(row["service"], row["host"]) for row in found["outliers"]} == {("shop", "host 3")}
    kept = {(row["service"], row["path"]): row["bytes_per_process"] for row in found["kept"]}
    assert kept["guard / nli", "request/embed"] == 300 * MB
    (torch,) = found["imports"]
    assert (torch["keys"] if "keys" in torch else torch["package"]) == "torch"
    assert torch["bytes_per_process"] == 90 * MB
    assert [row["host"] for row in found["next_killed"]] == ["host 7", "host 8"]
    assert found["next_killed"][0]["hours_left"] == pytest.approx(1.0, abs=0.01)  # 30 MB left at 30 MB an hour
    (killed,) = found["killed"]
    assert (killed["service"], killed["processes"]) == ("leaky", 1)


def test_adding_again_adds_nothing_and_compacting_changes_nothing(
    traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = tmp_path / "dataset"
    paths = sorted(traces.iterdir())
    added = [add(capsys, *paths[start : start + 17], "--into", dataset) for start in range(0, len(paths), 17)]
    assert added[0].startswith("17 processes added, 0 already known, 0 files skipped")
    assert "0 processes added, 51 already known" in add(capsys, traces, "--into", dataset)
    before = ask(dataset, capsys)
    files = len(list(dataset.rglob("*.parquet")))
    from fwmemtrace.fleet.dataset import Dataset

    assert Dataset(str(dataset)).compact(1) > 0
    assert len(list(dataset.rglob("*.parquet"))) < files
    assert ask(dataset, capsys) == before
    assert Dataset(str(dataset)).compact(1) == 0
    assert "0 processes added, 51 already known" in add(capsys, traces, "--into", dataset)


def test_what_a_killed_compaction_leaves_counts_once(
    traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fwmemtrace.fleet.dataset import Dataset

    dataset = tmp_path / "dataset"
    paths = sorted(traces.iterdir())[:12]
    for start in range(0, len(paths), 4):
        add(capsys, *paths[start : start + 4], "--into", dataset)
    before = ask(dataset, capsys)
    for left in (0, 5):  # files that it removes before it is killed
        killed = Dataset(str(dataset))
        remove, removed = killed.files.rm_file, []

        def rm_file(path: str, left: int = left, removed: list[str] = removed, remove: Any = remove) -> None:
            if len(removed) == left:
                raise KeyboardInterrupt
            removed.append(path)
            remove(path)

        monkeypatch.setattr(killed.files, "rm_file", rm_file)
        with pytest.raises(KeyboardInterrupt):
            killed.compact(1)
        monkeypatch.undo()
        assert ask(dataset, capsys) == before
    Dataset(str(dataset)).compact(1)
    assert ask(dataset, capsys) == before


def test_spark_gives_the_same_answers(
    dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark", reason="needs fwmemtrace[spark]")
    if subprocess.run(["java", "-version"], capture_output=True).returncode:
        pytest.skip("needs Java 17 or newer")
    # To compile each query for fifty rows takes three times as long as to interpret it.
    options = "spark.sql.codegen.wholeStage=false", "spark.sql.codegen.factoryMode=NO_CODEGEN"
    java = "--driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'"
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", f"{java} {' '.join(f'--conf {each}' for each in options)} pyspark-shell")
    with_duckdb = ask(dataset, capsys)
    with_spark = ask(dataset, capsys, "--engine", "spark")
    for name, rows in with_duckdb.items():
        if isinstance(rows, list):
            for one, other in zip(rows, with_spark[name], strict=True):
                assert one == pytest.approx(other), name
    assert list(with_duckdb) == list(with_spark)


def test_a_dataset_on_another_file_system(traces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys, *sorted(traces.iterdir())[:4], "--into", "memory://fleet")
    found = ask("memory://fleet", capsys)  # type: ignore[arg-type]
    assert sum(row["processes"] for row in found["services"]) == 4


def test_text_and_markdown(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for format in ("text", "markdown"):
        assert main(["fleet", "report", str(dataset), "--format", format]) == 0
        out = capsys.readouterr().out
        assert "guard / nli" in out
        assert "Growth from version to version, beyond noise" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "{tmp}/nothing"], "is not a fleet dataset, or is empty"),
        (["add", "{tmp}/nothing", "--into", "{tmp}/d"], "no such file or folder"),
        (["add", "{tmp}", "--into", "{tmp}/d"], "no trace in"),
        (["add", "{tmp}", "--into", "nosuch://d"], "nosuch"),
        (["watch", "{tmp}/nothing"], "no such folder"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["fleet", *(argument.format(tmp=tmp_path) for argument in arguments)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("table", ["phases", "processes"])
def test_a_damaged_dataset_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str) -> None:
    write_trace(tmp_path, 1)
    assert main(["fleet", "add", str(tmp_path), "--into", str(tmp_path / "dataset")]) == 0
    (file,) = (tmp_path / "dataset" / table).rglob("*.parquet")
    os.truncate(file, 50)
    assert main(["fleet", "report", str(tmp_path / "dataset")]) == 2
    err = capsys.readouterr().err
    assert "cannot be read" in err
    assert file.name in err
    assert len(err.splitlines()) == 1


def test_files_that_are_no_traces_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_trace(tmp_path, 1)
    (tmp_path / "other.bin").write_bytes(b"something else")
    assert main(["fleet", "add", str(tmp_path), "--into", str(tmp_path / "dataset")]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("1 process added, 0 already known, 1 file skipped")
    assert "other.bin" in printed.err


def test_watch_follows_a_running_process_and_keeps_it_once_it_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wait_until: Callable[[Callable[[], Any]], None]
) -> None:
    from fwmemtrace.fleet.dataset import Dataset
    from fwmemtrace.fleet.watching import Watcher
    from fwmemtrace.reports import Options

    program = (
        "import fwmemtrace, sys\n"
        "with fwmemtrace.session('trace.bin', service='shop'), fwmemtrace.phase('serving'):\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    dataset = Dataset(str(tmp_path / "dataset"))
    watcher = Watcher(tmp_path, dataset)
    assert "No traces yet." in watcher.look(Options())
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        shown = watcher.look(Options())
        assert "shop" in shown
        assert "serving" in shown
        assert dataset.tables() == []
    assert "ended" in watcher.look(Options())
    assert "processes" in dataset.tables()
    assert main(["fleet", "watch", str(tmp_path), "--once"]) == 0
    assert "ended" in capsys.readouterr().out


def test_a_real_session_has_its_imports_and_owners(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["imports", "mappings"], service="tests"):
        with phase("work"):
            pass
    add(capsys, tmp_path / "trace.bin", "--into", tmp_path / "dataset")
    found = ask(tmp_path / "dataset", capsys)
    assert found["owners"][0]["bytes_per_process"] > MB
    assert [row["service"] for row in found["services"]] == ["tests"]


def test_a_service_may_have_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["x" * 10_000, "x" * 10_000 + "y", "日" * 300, "../a b%2F", "two\nlines"]
    for number, name in enumerate(names):
        with fwmemtrace.session(tmp_path / f"{number}.bin", service=name, interval=0):
            pass
    dataset = tmp_path / "dataset"
    assert add(capsys, tmp_path, "--into", dataset).startswith("5 processes added")
    services = [row["service"] for row in ask(dataset, capsys)["services"]]
    assert {name[:20] for name in names} == {service[:20] for service in services}
    assert len(set(services)) == len(names)
    assert main(["fleet", "report", str(dataset)]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
