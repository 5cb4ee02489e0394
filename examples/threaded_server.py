"""A small server with a pool of threads, and where its memory goes: an index, caches, and reports as text.

    python -m fwmemtrace run --report examples/threaded_server.py    traced, with the report at the end
    python examples/threaded_server.py                               the same server, not traced

No socket is opened: a client in the same process hands requests to the pool. Some threads only compute or wait, others
fill the caches. One request fills a cache at a time, as is usual where two would do the same work twice.
"""

from __future__ import annotations

import threading
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor

from fwmemtrace import phase

THREADS = 6
DOCUMENTS = 60_000


class Server:
    """Answers requests; whatever is expensive to make is kept."""

    def __init__(self) -> None:
        self._filling = threading.Lock()
        self._thumbnails: dict[int, bytearray] = {}
        self._sessions: dict[str, dict[str, str]] = {}
        self._reports: dict[int, list[str]] = {}
        self._index: dict[str, list[int]] = {}

    @phase
    def build_index(self) -> None:
        """Map words to documents."""
        for number in range(DOCUMENTS):
            for word in (f"word{number % 5000}", f"title{number}", f"author{number % 700}", f"year{number}"):
                self._index.setdefault(word, []).append(number)

    def thumbnail(self, number: int) -> int:
        """Return the size of a picture's thumbnail."""
        with self._filling:
            self._draw(number)
        return len(self._thumbnails[number])

    @phase
    def _draw(self, number: int) -> None:
        picture = bytearray()
        for row in range(250_000):
            picture += row.to_bytes(8, "little") * 10
        self._thumbnails[number] = picture

    def log_in(self, first: int) -> int:
        """Open sessions for many users."""
        with self._filling:
            self._open_sessions(first)
        return len(self._sessions)

    @phase
    def _open_sessions(self, first: int) -> None:
        for number in range(first, first + 50_000):
            self._sessions[f"user{number}"] = {"name": f"user number {number}", "token": f"{number:064}"}

    def report(self, number: int) -> int:
        """Return the number of lines of a report."""
        with self._filling:
            self._write_report(number)
        return len(self._reports[number])

    @phase
    def _write_report(self, number: int) -> None:
        self._reports[number] = [f"line {line} of report {number}" for line in range(250_000)]

    def checksum(self) -> int:
        """Keep a processor busy, without memory and mostly without the interpreter's lock."""
        result = 0
        for _ in range(20):
            result = zlib.crc32(bytes(100_000), result)
        return result

    def wait(self) -> None:
        """Wait for a slow neighbour."""
        time.sleep(0.05)


def serve(server: Server) -> int:
    """Answer a hundred requests; returns how many."""
    requests: list[Future[object]] = []
    with ThreadPoolExecutor(THREADS, thread_name_prefix="worker") as pool:
        for number in range(4):
            requests.append(pool.submit(server.thumbnail, number))
            requests.append(pool.submit(server.report, number))
            requests.append(pool.submit(server.log_in, number * 50_000))
            requests += [pool.submit(server.checksum) for _ in range(20)]
            requests += [pool.submit(server.wait) for _ in range(3)]
    for request in requests:
        request.result()
    return len(requests)


def main() -> None:
    """Start, serve, and say what was done."""
    server = Server()
    server.build_index()
    print(f"{serve(server)} requests answered")


if __name__ == "__main__":
    main()
