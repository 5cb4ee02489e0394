"""Sentry's real SDK, with a transport that keeps what would be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fwmemtrace
from fwmemtrace import phase

pytestmark = pytest.mark.slow

MB = 10**6


@pytest.fixture
def sent() -> Iterator[list[Any]]:
    """What the SDK sends: envelopes, in order."""
    sentry_sdk = pytest.importorskip("sentry_sdk", reason="needs sentry-sdk")
    envelopes: list[Any] = []

    class Kept(sentry_sdk.transport.Transport):  # type: ignore[misc,name-defined]
        def capture_envelope(self, envelope: Any) -> None:
            envelopes.append(envelope)

    with sentry_sdk.isolation_scope():
        sentry_sdk.init("https://key@sentry.invalid/1", transport=Kept, default_integrations=False)
        yield envelopes
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


def breadcrumbs(envelope: Any) -> list[Any]:
    return [crumb for crumb in envelope.get_event()["breadcrumbs"]["values"] if crumb["category"] == "fwmemtrace"]


def test_the_event_of_an_exception_says_which_phases_failed(sent: list[Any], new_memory: Callable[[int], Any]) -> None:
    import sentry_sdk

    from fwmemtrace.integrations.sentry import SentrySink

    with fwmemtrace.session(SentrySink(), interval=0):
        with phase("request"):
            pass
        try:
            with phase("request", model="minilm", rss_bytes=1), phase("embed"):
                kept = new_memory(20 * MB)
                raise LookupError("lost")
        except LookupError as error:
            sentry_sdk.capture_exception(error)
    (envelope,) = sent
    inner, outer = breadcrumbs(envelope)
    assert inner["message"] == "request/embed ended with LookupError"
    assert inner["level"] == "error"
    assert inner["data"]["rss_peak_bytes"] >= inner["data"]["rss_bytes"] > inner["data"]["rss_change_bytes"] >= 20 * MB
    assert outer["message"] == "request ended with LookupError"
    assert outer["data"]["model"] == "minilm"
    assert outer["data"]["rss_bytes"] > 20 * MB  # the figure, not the attribute of that name
    del kept


def test_a_snapshot_is_an_event_with_the_stacks_of_all_threads(sent: list[Any]) -> None:
    import sentry_sdk

    from fwmemtrace.integrations.sentry import SentrySink

    with fwmemtrace.session(SentrySink(), interval=0):
        with phase("request"), phase("embed"):
            fwmemtrace.snapshot("the cache is full")
        sentry_sdk.capture_message("later")
    snapshot, later = sent
    event = snapshot.get_event()
    assert (event["message"], event["level"]) == ("Memory snapshot: the cache is full", "warning")
    assert event["contexts"]["memory"]["open_phases"] == ["request/embed", "request"]
    assert event["contexts"]["memory"]["rss_bytes"] > MB
    (text,) = [item.get_bytes().decode() for item in snapshot.items if item.type == "attachment"]
    assert text.startswith("the cache is full: RSS ")
    assert "Thread MainThread, innermost function first:" in text
    assert "test_a_snapshot_is_an_event_with_the_stacks_of_all_threads" in text
    assert "memory" not in later.get_event()["contexts"]
    assert [item.type for item in later.items] == ["event"]


def test_a_trigger_sends_an_event(
    sent: list[Any], new_memory: Callable[[int], Any], wait_until: Callable[[Callable[[], Any]], None]
) -> None:
    from fwmemtrace.integrations.sentry import SentrySink

    with fwmemtrace.session(SentrySink(), interval="10ms", triggers="50MB/s"), phase("load"):
        kept: list[Any] = []

        def grown() -> Any:
            if len(kept) == 30:
                kept.clear()
            kept.append(new_memory(10 * MB))
            return sent

        wait_until(grown)
    event = sent[0].get_event()
    assert event["message"].startswith("Memory snapshot: RSS grew by ")
    assert event["contexts"]["memory"]["open_phases"] == ["load"]


def test_a_snapshot_can_be_a_breadcrumb(sent: list[Any]) -> None:
    import sentry_sdk

    from fwmemtrace.integrations.sentry import SentrySink

    with fwmemtrace.session(SentrySink(events=False), interval=0):
        fwmemtrace.snapshot("asked for")
        sentry_sdk.capture_message("later")
    (later,) = sent
    (crumb,) = breadcrumbs(later)
    assert crumb["message"] == "Memory snapshot: asked for"
    assert crumb["data"]["rss_bytes"] > MB


def test_without_sentry_being_set_up_nothing_happens(recwarn: pytest.WarningsRecorder) -> None:
    pytest.importorskip("sentry_sdk", reason="needs sentry-sdk")
    from fwmemtrace.integrations.sentry import SentrySink

    with fwmemtrace.session(SentrySink(), interval=0):
        fwmemtrace.snapshot()
        with pytest.raises(LookupError), phase("request"):
            raise LookupError("lost")
    assert [str(warning.message) for warning in recwarn if "SentrySink" in str(warning.message)] == []
