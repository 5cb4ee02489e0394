"""What a service shows in Prometheus, OpenTelemetry, Sentry and logs. Give the name of one."""

from __future__ import annotations

import logging
import os
import sys

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.sinks import MemorySink, Sink

kept: list[str] = []


@phase("check", model="minilm")
def check(number: int) -> None:
    """Remember a verdict."""
    logging.getLogger("guard").info("prompt %d", number)
    kept.append(f"allowed: prompt {number}, " * 100_000)


def serve(sink: Sink, probes: str = "resident") -> None:
    """Check some prompts in a session."""
    with fwmemtrace.session(sink, probes=probes):
        for number in range(3):
            check(number)


def prometheus() -> None:
    """Print the metrics that have a label."""
    from prometheus_client import CollectorRegistry, generate_latest

    from fwmemtrace.integrations.prometheus import PrometheusSink

    registry = CollectorRegistry()
    serve(PrometheusSink(registry), "mappings")
    lines = generate_latest(registry).decode().splitlines()
    print(*(line for line in lines if "{" in line and "_created" not in line), sep="\n")


def opentelemetry() -> None:
    """Print a span."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    from fwmemtrace.integrations.opentelemetry import OpenTelemetrySink

    tracers = TracerProvider(resource=Resource({"service.name": "guard"}))
    tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    with fwmemtrace.session(OpenTelemetrySink(tracers)):
        check(0)


def logs() -> None:
    """Print some lines of a log."""
    from fwmemtrace.integrations.logs import MemoryFilter

    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(MemoryFilter())
    handler.setFormatter(logging.Formatter("%(phase)s %(rss_bytes)d %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    serve(MemorySink())


def sentry() -> None:
    """Print the event that Sentry would get."""
    import sentry_sdk

    from fwmemtrace.integrations.sentry import SentrySink

    def show(event: dict, hint: dict) -> None:
        for crumb in event.get("breadcrumbs", {}).get("values", []):
            print("breadcrumb:", crumb["message"], crumb["data"])
        print("event:", event["message"], event["contexts"]["memory"])
        for attachment in hint["attachments"]:
            print(f"{attachment.filename}:")
            print(attachment.bytes.decode().replace(f"{os.getcwd()}/", ""))

    sentry_sdk.init("http://key@localhost/1", before_send=show, default_integrations=False)
    with fwmemtrace.session(SentrySink()):
        try:
            with phase("check", model="minilm"):
                raise TimeoutError
        except TimeoutError:
            pass
        with phase("batch"):
            kept.append("x" * 20_000_000)
            fwmemtrace.snapshot("RSS is above 90% of the limit")


if __name__ == "__main__":
    {each.__name__: each for each in (prometheus, opentelemetry, sentry, logs)}[sys.argv[1]]()
