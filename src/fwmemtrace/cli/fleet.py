"""`fleet`: the traces of many hosts as one Parquet dataset, and what it answers."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from ..errors import FwmemtraceError, missing_package
from ..values import visible
from . import output

_INTERVAL_S = 5.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command and its three parts."""
    parser = subparsers.add_parser(
        "fleet",
        help="keep the traces of many hosts in one dataset",
        description="Keep the traces of many hosts in a Parquet dataset, and query it. Needs the extra `fleet`.",
    )
    parts = parser.add_subparsers(title="commands", dest="fleet_command", required=True, metavar="COMMAND")
    adding = parts.add_parser(
        "add",
        help="add traces to a dataset",
        description="Add traces to a dataset. Processes that it has already are skipped.",
    )
    adding.add_argument("traces", nargs="+", metavar="DIR|FILE", help="trace files, or folders to search for *.bin")
    adding.add_argument(
        "--into", required=True, metavar="DATASET", help="a folder, or a URL such as s3://bucket/memory"
    )
    adding.add_argument("--compact", action="store_true", help="merge the files of days that have many")
    adding.set_defaults(command=_add)
    report = parts.add_parser(
        "report",
        help="answer the questions about a dataset",
        description="Report what holds and retains most memory, what "
        "grew from version to version, which replicas differ, what imports cost, and which processes near their limit.",
    )
    report.add_argument("dataset", metavar="DATASET", help="a folder or a URL")
    report.add_argument("--engine", default="duckdb", metavar="duckdb|spark", help="the query engine (default: duckdb)")
    report.add_argument(
        "--format",
        default="text",
        choices=("text", "markdown", "json"),
        metavar="text|markdown|json",
        help="the output format (default: text)",
    )
    report.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: stdout)")
    report.set_defaults(command=_report)
    watch = parts.add_parser(
        "watch",
        help="follow the traces of one machine",
        description="Show the processes whose traces are in a folder, as they grow.",
    )
    watch.add_argument("folder", metavar="DIR", help="the folder in which the processes write their traces")
    watch.add_argument("--into", metavar="DATASET", help="add each trace to this dataset once its process has ended")
    watch.add_argument(
        "--interval", type=float, default=_INTERVAL_S, metavar="SECONDS", help="time between updates (default: 5)"
    )
    watch.add_argument("--once", action="store_true", help="show the current state and exit")
    watch.set_defaults(command=_watch)


def _add(arguments: argparse.Namespace) -> int:
    dataset_module = _import("dataset")
    traces = _import("traces")
    dataset = dataset_module.Dataset(arguments.into)
    found = traces.find_traces(arguments.traces)
    skipped: list[Path] = []

    def skip(path: Path, error: Exception) -> None:
        skipped.append(path)
        print(f"fwmemtrace: skipped: {visible(str(error))}", file=sys.stderr)

    processes = list(traces.rows(traces.processes_of(found, skip), skip))
    added = dataset.add(processes)
    known = len(processes) - added
    print(f"{_count(added, 'process', 'es')} added, {known} already known, {_count(len(skipped), 'file')} skipped")
    if arguments.compact:
        print(f"{_count(dataset.compact(), 'file')} fewer after compaction")
    if not processes:
        raise FwmemtraceError(f"no trace in {' '.join(arguments.traces)}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    dataset = _import("dataset").Dataset(arguments.dataset)
    answers = _import("answers")
    with _import("engines").open_fleet(dataset, arguments.engine) as fleet:
        found = answers.ask(fleet)
    if arguments.format == "json":
        text = answers.as_json(found) + "\n"
    elif arguments.format == "markdown":
        from ..reports.markdown import write_markdown

        text = write_markdown(answers.document_of(found))
    else:
        from ..reports.terminal import write_text

        text = write_text(answers.document_of(found), output.options(arguments.output, 0))
    output.write(text, arguments.output)
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    watching = _import("watching")
    dataset = None if arguments.into is None else _import("dataset").Dataset(arguments.into)
    if not Path(arguments.folder).is_dir():
        raise FwmemtraceError(f"{arguments.folder}: no such folder")
    watcher = watching.Watcher(Path(arguments.folder), dataset)
    clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() and not arguments.once else ""
    while True:
        output.write(clear + watcher.look(output.options(None, 0)), None)
        if arguments.once:
            return 0
        time.sleep(max(arguments.interval, 0.1))


def _import(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"fwmemtrace.fleet.{module}")
    except ImportError as error:
        raise missing_package("fleet", error.name or module, "fleet") from error


def _count(number: int, noun: str, ending: str = "s") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{ending}"
