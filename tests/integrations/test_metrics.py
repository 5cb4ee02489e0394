"""Prometheus, OpenTelemetry and logging, with the real libraries."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.integrations.bounded_paths import BoundedPaths, label_of
from fwmemtrace.integrations.time_to_limit import TimeToLimit
from fwmemtrace.records import PhaseBegin, PhaseEnd
from fwmemtrace.sinks import FanOutSink, MemorySink

MB = 10**6
SECOND = 10**9


def run_phases(new_memory: Callable[[int], Any]) -> Any:
    kept = []
    with phase("request", model="minilm"):
        with phase("embed"):
            kept.append(new_memory(20 * MB))
        fwmemtrace.annotate(status=200)
    with pytest.raises(LookupError), phase("request"):
        raise LookupError("lost")
    return kept


@pytest.mark.slow
def test_prometheus_metrics_equal_the_records(new_memory: Callable[[int], Any]) -> None:
    client = pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    from fwmemtrace.integrations.prometheus import PrometheusSink

    registry, memory = client.CollectorRegistry(), MemorySink()
    with fwmemtrace.session(FanOutSink(memory, PrometheusSink(registry)), probes=["mappings"], interval=0):
        kept = run_phases(new_memory)

    def value(name: str, **labels: str) -> Any:
        return registry.get_sample_value(f"fwmemtrace_{name}", labels)

    begun = {record.span: record for record in memory.records if isinstance(record, PhaseBegin)}
    ended = [record for record in memory.records if isinstance(record, PhaseEnd)]
    outer = [record for record in ended if begun[record.span].name == "request"]
    assert value("phase_calls_total", phase="request") == 2
    assert value("phase_errors_total", phase="request") == 1
    assert value("phase_calls_total", phase="request/embed") == 1
    assert value("phase_open", phase="request") == 0
    assert value("phase_peak_resident_bytes", phase="request") == max(record.peak_rss_bytes for record in outer)
    assert value("phase_resident_change_bytes", phase="request") == sum(
        record.rss_bytes - begun[record.span].rss_bytes for record in outer
    )
    assert value("resident_bytes") > 20 * MB
    assert sum(
        sample.value for metric in registry.collect() for sample in metric.samples if "composition" in sample.name
    ) == pytest.approx(value("resident_bytes"), rel=0.05)
    assert "# HELP fwmemtrace_phase_peak_resident_bytes" in client.generate_latest(registry).decode()
    del kept


def test_labels_are_bounded() -> None:
    paths = BoundedPaths(2)
    labels = [paths.begin(PhaseBegin(number, 0, f"request {number}", 1, 0, 0)) for number in range(1, 5)]
    assert labels == ["request 1", "request 2", "other", "other"]
    assert paths.begin(PhaseBegin(9, 1, "a/b", 1, 0, 0)) == "other"
    assert [paths.end(span) and paths.end(span) for span in (1, 2, 3)] == [None] * 3  # each ends once
    assert paths.begin(PhaseBegin(10, 0, "request 2", 1, 0, 0)) == "request 2"


ODD = [
    "lone \ud800", "two\nlines", 'x"} 1\nforged{a="b"} 2', "red \x1b[31m", "\u202eabc", "back\\slash", "x" * 10_000,
    "nul\0in",
]  # fmt: skip


@given(st.lists(st.text(min_size=1), min_size=1) | st.sampled_from([[name] for name in ODD]))
def test_a_label_is_a_short_line_that_can_be_encoded(names: list[str]) -> None:
    label = label_of(tuple(names))
    assert label.encode()
    assert label.isprintable()
    assert 0 < len(label) <= 200


@pytest.mark.slow
def test_odd_names_are_labels_of_a_scrape() -> None:
    client = pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    from prometheus_client import parser
    from prometheus_client.openmetrics import exposition
    from prometheus_client.openmetrics import parser as open_parser

    from fwmemtrace.integrations.prometheus import PrometheusSink

    registry = client.CollectorRegistry()
    with fwmemtrace.session(PrometheusSink(registry), interval=0):
        for name in ODD:
            with phase(name):
                pass
    plain = parser.text_string_to_metric_families(client.generate_latest(registry).decode())
    open_ = open_parser.text_string_to_metric_families(exposition.generate_latest(registry).decode())
    for families in (plain, open_):
        samples = [sample for family in families for sample in family.samples]
        phases = [sample.labels["phase"] for sample in samples if sample.name == "fwmemtrace_phase_calls_total"]
        assert phases == [label_of((name,)) for name in ODD]
        assert all(sample.name.startswith("fwmemtrace_") for sample in samples)


@given(
    start=st.integers(0, 10**9),
    slope=st.integers(1000, 10**7),
    step=st.floats(5, 60),
    count=st.integers(4, 40),
)
def test_steady_growth_reaches_the_limit_when_it_must(start: int, slope: int, step: float, count: int) -> None:
    forecast = TimeToLimit()
    for number in range(count):
        used = start + round(slope * step * number)
        forecast.add(round(number * step * SECOND), used)
    assert forecast.seconds(used, used + 1000 * slope) == pytest.approx(1000, rel=0.01, abs=1)
    assert forecast.seconds(used, used) == 0


def test_memory_that_does_not_grow_never_reaches_the_limit() -> None:
    forecast = TimeToLimit()
    assert forecast.seconds(1, 10) == float("inf")
    for number in range(10):
        forecast.add(number * 10 * SECOND, 100 - number)
    assert forecast.seconds(91, 1000) == float("inf")


@pytest.mark.slow
def test_prometheus_in_several_processes(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    program = """
        import os
        import fwmemtrace
        from fwmemtrace import phase
        from fwmemtrace.integrations.prometheus import PrometheusSink
        from prometheus_client import CollectorRegistry, multiprocess

        with fwmemtrace.session(PrometheusSink(), interval=0):
            pids = []
            for _ in range(3):
                pid = os.fork()
                if not pid:
                    with phase("request"):
                        pass
                    os._exit(0)
                os.waitpid(pid, 0)
            with phase("request"):
                pass
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
            print(registry.get_sample_value("fwmemtrace_phase_calls_total", {"phase": "request"}))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["4.0"]


@pytest.fixture
def telemetry() -> Any:
    pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return spans, reader, provider, MeterProvider([reader])


@pytest.mark.slow
def test_phases_are_spans_with_their_figures(telemetry: Any, new_memory: Callable[[int], Any]) -> None:
    spans, reader, tracers, meters = telemetry
    from fwmemtrace.integrations.opentelemetry import OpenTelemetrySink

    memory = MemorySink()
    before = time.time_ns()
    with fwmemtrace.session(FanOutSink(memory, OpenTelemetrySink(tracers, meters)), interval=0):
        with tracers.get_tracer("test").start_as_current_span("served"):
            kept = run_phases(new_memory)
        exported = reader.get_metrics_data()
    finished = {span.name: span for span in spans.get_finished_spans() if span.status.is_ok or span.name != "request"}
    requests = [span for span in spans.get_finished_spans() if span.name == "request"]
    embed, served = finished["embed"], finished["served"]
    assert embed.parent.span_id == requests[0].context.span_id
    assert {span.parent.span_id for span in requests} == {served.context.span_id}
    assert requests[0].attributes["model"] == "minilm"
    assert requests[0].attributes["status"] == 200
    assert requests[1].attributes["error.type"] == "LookupError"
    assert not requests[1].status.is_ok
    begun = {record.span: record for record in memory.records if isinstance(record, PhaseBegin)}
    by_name = {begun[record.span].name: record for record in memory.records if isinstance(record, PhaseEnd)}
    (span,) = [span for span, record in begun.items() if record.name == "embed"]
    assert embed.attributes["fwmemtrace.rss.delta"] == by_name["embed"].rss_bytes - begun[span].rss_bytes >= 20 * MB
    assert embed.attributes["fwmemtrace.rss.peak"] == by_name["embed"].peak_rss_bytes
    assert before <= embed.start_time <= embed.end_time <= time.time_ns()

    metrics = {
        metric.name: metric.data.data_points
        for resource in exported.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert metrics["process.memory.usage"][0].value > 20 * MB
    assert {point.attributes["cpython.gc.generation"] for point in metrics["cpython.gc.collections"]} == {0, 1, 2}
    peaks = {point.attributes["fwmemtrace.phase"]: point for point in metrics["fwmemtrace.phase.peak"]}
    assert peaks["request/embed"].sum == by_name["embed"].peak_rss_bytes
    assert [exemplar.span_id for exemplar in peaks["request/embed"].exemplars] == [embed.context.span_id]
    del kept


@pytest.mark.slow
def test_spans_of_odd_names_can_be_exported(telemetry: Any) -> None:
    spans, _, tracers, meters = telemetry
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.trace_encoder", reason="needs OTLP")
    from fwmemtrace.integrations.opentelemetry import OpenTelemetrySink

    with fwmemtrace.session(OpenTelemetrySink(tracers, meters), interval=0):
        for name in ODD:
            error = type("Odd", (Exception,), {"__qualname__": name})
            with contextlib.suppress(error), phase(name, **{name: name}):
                raise error
    (resource,) = encoder.encode_spans(spans.get_finished_spans()).resource_spans
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert names == [name.encode(errors="backslashreplace").decode() for name in ODD]


@pytest.mark.slow
def test_the_current_span_gets_the_figures_of_outermost_phases(telemetry: Any) -> None:
    spans, _, tracers, meters = telemetry
    from fwmemtrace.integrations.opentelemetry import OpenTelemetrySink

    with fwmemtrace.session(OpenTelemetrySink(tracers, meters, spans="current"), interval=0):
        with tracers.get_tracer("test").start_as_current_span("served"), phase("request"), phase("inner"):
            pass
        with phase("without a span"):
            pass
    (served,) = spans.get_finished_spans()
    assert served.attributes["fwmemtrace.rss.peak"] > 0
    with pytest.raises(ValueError, match="'new', 'current' or 'none'"):
        OpenTelemetrySink(spans="all")  # type: ignore[arg-type]


@pytest.mark.slow
def test_spans_and_metrics_reach_an_otlp_receiver() -> None:
    grpc = pytest.importorskip("grpc", reason="needs grpcio")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc", reason="needs opentelemetry-exporter-otlp-proto-grpc")
    from concurrent.futures import ThreadPoolExecutor

    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from fwmemtrace.integrations.opentelemetry import OpenTelemetrySink

    received = []

    class Receiver(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]
        def Export(self, request: Any, context: Any) -> Any:
            received.extend(
                (span.name, {each.key: each.value.int_value for each in span.attributes})
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            )
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Receiver(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"127.0.0.1:{port}", insecure=True)))
    with fwmemtrace.session(OpenTelemetrySink(tracers, MeterProvider()), interval=0), phase("request"):
        pass
    tracers.shutdown()
    server.stop(None).wait()
    ((name, attributes),) = received
    assert name == "request"
    assert attributes["fwmemtrace.rss.peak"] >= attributes["fwmemtrace.rss.after"] > 0


@pytest.fixture
def logger() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    from fwmemtrace.integrations.logs import MemoryFilter

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(MemoryFilter())
    handler.setFormatter(logging.Formatter("%(phase)s|%(rss_bytes)d|%(message)s"))
    made = logging.Logger("shop")
    made.addHandler(handler)
    yield made, stream
    handler.close()


def test_log_lines_have_the_phase_and_its_memory(logger: tuple[logging.Logger, io.StringIO]) -> None:
    made, stream = logger
    made.warning("outside")
    with fwmemtrace.session(MemorySink(), interval=0), phase("GET /users"), phase("query"):
        made.warning("inside")
    outside, inside = (line.split("|") for line in stream.getvalue().splitlines())
    assert (outside[0], inside[0]) == ("", "GET \\/users/query")
    assert int(outside[1]) > MB
    assert (outside[2], inside[2]) == ("outside", "inside")


def test_a_name_does_not_forge_a_line_of_the_log(logger: tuple[logging.Logger, io.StringIO]) -> None:
    made, stream = logger
    with fwmemtrace.session(MemorySink(), interval=0), phase("x\nforged|1|ERROR \ud800"):
        made.warning("inside")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("x\\nforged")


def test_structlog_events_have_the_phase_and_its_memory() -> None:
    structlog = pytest.importorskip("structlog", reason="needs structlog")
    from fwmemtrace.integrations.logs import add_memory

    stream = io.StringIO()
    log = structlog.wrap_logger(
        structlog.PrintLogger(stream), processors=[add_memory, structlog.processors.JSONRenderer()]
    )
    with fwmemtrace.session(MemorySink(), interval=0), phase("request"):
        log.info("checked", tokens=3)
    event = json.loads(stream.getvalue())
    assert (event["event"], event["tokens"], event["phase"]) == ("checked", 3, "request")
    assert event["rss_bytes"] > MB


MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"
PROMETHEUS = shutil.which("prometheus")


def test_rules_and_dashboard_only_use_metrics_that_there_are() -> None:
    client = pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    from fwmemtrace.integrations.prometheus import PrometheusSink

    registry = client.CollectorRegistry()
    PrometheusSink(registry)
    known = {metric.name for metric in registry.collect()}
    for name in ("alerts.yml", "grafana.json"):
        used = set(re.findall(r"fwmemtrace_\w+", (MONITORING / name).read_text()))
        assert used
        assert {metric.removesuffix("_total") for metric in used} <= known


@pytest.mark.slow
@pytest.mark.skipif(PROMETHEUS is None, reason="needs Debian's package prometheus")
def test_prometheus_scrapes_and_the_alert_fires(
    tmp_path: Path, wait_until: Callable[[Callable[[], Any]], None]
) -> None:
    pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    assert PROMETHEUS is not None
    service = """
        import sys, time
        import fwmemtrace
        from fwmemtrace import phase
        from fwmemtrace.integrations import time_to_limit
        from fwmemtrace.integrations.prometheus import PrometheusSink
        from prometheus_client import start_http_server

        time_to_limit._STEP_NS //= 20  # it forecasts once it has a few readings
        server, _ = start_http_server(0, addr="127.0.0.1")
        kept = []
        with fwmemtrace.session(PrometheusSink(limit_bytes=100_000_000_000), interval="100ms"):
            print(server.server_port, flush=True)
            while True:
                with phase("request"):
                    kept.append(b"x" * 1_000_000)
                time.sleep(0.01)
                if len(kept) > 2000:
                    time.sleep(1)
    """
    rules = MONITORING / "alerts.yml"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(service)], stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout is not None
            port = int(program.stdout.readline())
            fast = rules.read_text().replace("for: 5m", "for: 1s")
            assert fast != rules.read_text()
            (tmp_path / "alerts.yml").write_text(fast)
            (tmp_path / "prometheus.yml").write_text(
                "global: {scrape_interval: 200ms, evaluation_interval: 200ms}\n"
                "rule_files: [alerts.yml]\n"
                f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
            )
            web = free_port()
            with subprocess.Popen(
                [
                    PROMETHEUS,
                    f"--config.file={tmp_path / 'prometheus.yml'}",
                    f"--storage.tsdb.path={tmp_path / 'data'}",
                    f"--web.listen-address=127.0.0.1:{web}",
                ],
                stderr=subprocess.DEVNULL,
            ) as server:
                try:

                    def asked(path: str) -> Any:
                        try:
                            with urllib.request.urlopen(f"http://127.0.0.1:{web}{path}", timeout=5) as response:
                                return json.load(response)["data"]
                        except OSError:
                            return {}

                    query = "/api/v1/query?query=fwmemtrace_phase_peak_resident_bytes"
                    wait_until(lambda: asked(query).get("result"))
                    (series,) = asked(query)["result"]
                    assert series["metric"]["phase"] == "request"
                    assert float(series["value"][1]) > 10 * MB
                    wait_until(
                        lambda: any(
                            alert["labels"]["alertname"] == "FwmemtraceLimitWithinAnHour" and alert["state"] == "firing"
                            for alert in asked("/api/v1/alerts").get("alerts", [])
                        )
                    )
                finally:
                    server.kill()
        finally:
            program.kill()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
