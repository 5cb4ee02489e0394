"""Service, instance and labels from the process's environment: OpenTelemetry's variables, and Kubernetes'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import warn
from .checks import parse_pairs


def from_opentelemetry(environ: Mapping[str, str]) -> dict[str, Any]:
    """Read `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`, as OpenTelemetry's "Resource SDK" specifies them.

    Attributes are `key=value,key=value` with percent-encoded values, and the name of the service in a variable of its
    own goes before the attribute. A variable that is malformed is ignored as a whole, with a warning.
    """
    values: dict[str, Any] = {}
    text = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if text.strip():
        try:
            labels = parse_pairs(text, decode=True)
        except ValueError as error:
            warn(f"OTEL_RESOURCE_ATTRIBUTES is ignored: {error}")
        else:
            values = {"service": labels.pop("service.name", ""), "instance": labels.pop("service.instance.id", "")}
            values["labels"] = labels
    if environ.get("OTEL_SERVICE_NAME"):
        values["service"] = environ["OTEL_SERVICE_NAME"]
    return values


def from_kubernetes(environ: Mapping[str, str]) -> dict[str, Any]:
    """Read what the downward API passes to a pod, by the names that Kubernetes' documentation uses."""
    if "KUBERNETES_SERVICE_HOST" not in environ:
        return {}
    labels = {}
    for label, variable in (
        ("k8s.pod.name", "POD_NAME"),
        ("k8s.namespace.name", "POD_NAMESPACE"),
        ("k8s.node.name", "NODE_NAME"),
    ):
        value = environ.get(variable) or environ.get(f"MY_{variable}")
        if value:
            labels[label] = value
    instance = labels.get("k8s.pod.name") or environ.get("HOSTNAME", "")
    return {"instance": instance, "labels": labels} if instance else {"labels": labels}
