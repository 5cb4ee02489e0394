"""Web services that benchmarks start and load."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil

from benchmarks.harness import ROOT

# Behind the code of an `app`: serves it.
SERVE = """
import uvicorn

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)

Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False)).run()
"""


class Service:
    """A web service in a process of its own.

    Args:
        code: the program; it prints the port that it listens on.
        arguments: its `sys.argv[1:]`.
    """

    def __init__(self, code: str, *arguments: str) -> None:
        command = [sys.executable, "-c", code, *arguments]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self._measured = psutil.Process(self._process.pid)

    def rss(self) -> int:
        """RSS of the process, as psutil reads it from outside."""
        return int(self._measured.memory_info().rss)

    def load(self, clients: int, paths: Sequence[str]) -> tuple[float, float]:
        """Let several clients send requests at the same time.

        Args:
            clients: how many.
            paths: what they ask for, each as many of them as the others.

        Returns:
            Nanoseconds for each request: of the clock, and of processor time.
        """
        before, began = self._processor(), time.perf_counter_ns()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(self._ask, [paths[client::clients] for client in range(clients)]))
        return (time.perf_counter_ns() - began) / len(paths), (self._processor() - before) / len(paths)

    def stop(self) -> None:
        """End the service in order, so that its trace is complete."""
        self._process.terminate()
        self._process.wait()

    def _processor(self) -> float:
        times = self._measured.cpu_times()
        return float(times.user + times.system) * 1e9

    def _ask(self, paths: Sequence[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        for path in paths:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body
        connection.close()
