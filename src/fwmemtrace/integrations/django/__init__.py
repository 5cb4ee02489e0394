"""Django: an app that starts the session, and a middleware that runs each request in a phase.

INSTALLED_APPS = [..., "fwmemtrace.integrations.django"]
MIDDLEWARE = ["fwmemtrace.integrations.django.middleware.MemoryMiddleware", ...]
FWMEMTRACE_TARGET = "trace.bin"
"""
