"""The app: starts a session with the settings that begin with FWMEMTRACE_."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings

from ...config import Settings
from ...recording.switch import current_session, start


class FwmemtraceConfig(AppConfig):
    """Starts a session if FWMEMTRACE_TARGET is set. Other settings are those of a session: FWMEMTRACE_PROBES ..."""

    name = "fwmemtrace.integrations.django"
    label = "fwmemtrace"

    def ready(self) -> None:
        """Start the session, unless one is on."""
        arguments: dict[str, Any] = {
            name: getattr(settings, f"FWMEMTRACE_{name.upper()}")
            for name in Settings.__struct_fields__
            if hasattr(settings, f"FWMEMTRACE_{name.upper()}")
        }
        target = arguments.pop("target", None)
        if target is not None and current_session() is None:
            start(target, **arguments)
