"""Servers under load, told one path for all their processes: every request that was served is in the traces.

Each is tried in production mode, too.

Of gunicorn, uvicorn and gevent, those that are installed.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import fwmemtrace
from stress.outcome import Outcome, lack_of

FULL, SMALL = 800, 80
_CLIENTS = 8
_GUNICORN = ("-m", "gunicorn", "stress_app:wsgi", "-b", "127.0.0.1:{port}", "-w", "3")
_UVICORN = ("-m", "uvicorn", "stress_app:asgi", "--port", "{port}", "--log-level", "warning")
_SERVERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # what must be installed, and the command
    "gunicorn": (("gunicorn",), _GUNICORN),
    "gunicorn, threads": (("gunicorn",), (*_GUNICORN, "-k", "gthread", "--threads", "4")),
    "gunicorn, preload": (("gunicorn",), (*_GUNICORN, "--preload")),
    "gunicorn, restarts": (("gunicorn",), (*_GUNICORN, "--max-requests", "50")),
    "gunicorn, gevent": (("gunicorn", "gevent"), (*_GUNICORN, "-k", "gevent")),
    "uvicorn": (("uvicorn",), _UVICORN),
    "uvicorn, workers": (("uvicorn",), (*_UVICORN, "--workers", "2")),
    "uvicorn, uvloop": (("uvicorn", "uvloop"), (*_UVICORN, "--loop", "uvloop")),
}
_APP = """
from fwmemtrace import phase

def handle():  # no decorator: the first request names the first phase, while other threads have requests, too
    with phase("request"):
        return b"ok"

async def handle_async():
    async with phase("request"):
        return b"ok"

def wsgi(environ, start_response):
    body = handle()
    start_response("200 OK", [("Content-Length", "2")])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        body = await handle_async()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": body})
"""


def run(number: int) -> Outcome:
    """Send that many requests to each server."""
    outcome = Outcome(0)
    Path("stress_app.py").write_text(_APP, encoding="utf-8")
    for name, (modules, command) in _SERVERS.items():
        if lack := lack_of(modules):
            outcome.left_out.append(f"{name} ({lack})")
            continue
        for mode in ("", "production"):
            outcome.attacks += number
            served, traced, processes = _try(name, command, number, mode)
            outcome.expect(served == traced, f"{name} {mode}: {served} served, {traced} traced")
            outcome.expect(served >= number, f"{name} {mode}: {served} of {number} were served")
            outcome.figures[f"processes of {name}"] = processes
    return outcome


def _try(name: str, command: tuple[str, ...], number: int, mode: str) -> tuple[int, int, int]:
    port = _free_port()
    trace = Path(f"{name.replace(', ', '-')}{mode}.bin").absolute()
    server = subprocess.Popen(
        [sys.executable, *(word.format(port=port) for word in command)],
        env={
            **os.environ,
            "FWMEMTRACE": str(trace),
            "FWMEMTRACE_MODE": mode,
            "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path]),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        served = _load(port, number)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)
    found = fwmemtrace.read(trace)
    return served, sum(row.calls for row in found.phases if row.path == "request"), len(found.processes)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def _load(port: int, number: int) -> int:
    served = [0] * _CLIENTS
    deadline = time.monotonic() + 60

    def work(client: int) -> None:
        while served[client] < number // _CLIENTS and time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/")
                if connection.getresponse().read() == b"ok":
                    served[client] += 1
                connection.close()
            except OSError:  # it is starting, or a worker restarts
                time.sleep(0.05)

    clients = [threading.Thread(target=work, args=(client,)) for client in range(_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return sum(served)
