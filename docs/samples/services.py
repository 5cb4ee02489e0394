"""One small service behind each framework: what the pages of the integrations show. Give the name of one.

A check keeps its verdict, and nobody limits them; a summary needs memory for a moment.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

verdicts: dict[int, str] = {}
PATHS = [*(f"/check/{number}" for number in range(60)), *(f"/summary/{day}" for day in ("monday", "tuesday"))]


def check(number: int) -> str:
    """Return a verdict, and keep it."""
    verdicts[number] = f"allowed: prompt {number}, " * 20_000
    return verdicts[number][:7]


def summary(day: str) -> str:
    """Return what needs memory for a moment."""
    lines = [f"{day} {number}" for number in range(200_000)]
    return f"{len(lines)} lines"


def fastapi() -> None:
    """Serve all paths."""
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from fwmemtrace.integrations.starlette import instrument

    app = FastAPI()
    instrument(app)
    app.get("/check/{number}")(check)
    app.get("/summary/{day}")(summary)
    with TestClient(app) as client:
        for path in PATHS:
            client.get(path)


def flask() -> None:
    """Serve all paths."""
    from flask import Flask

    from fwmemtrace.integrations.flask import instrument

    app = Flask(__name__)
    instrument(app)
    app.get("/check/<int:number>")(check)
    app.get("/summary/<day>")(summary)
    client = app.test_client()
    for path in PATHS:
        client.get(path)


def django() -> None:
    """Serve all paths."""
    import django
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path

    def view(answer: Callable[..., str]) -> Callable[..., HttpResponse]:
        return lambda request, **arguments: HttpResponse(answer(**arguments))

    class Urls:
        urlpatterns = (path("check/<int:number>", view(check)), path("summary/<day>", view(summary)))

    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF=Urls,
        INSTALLED_APPS=["fwmemtrace.integrations.django"],
        MIDDLEWARE=["fwmemtrace.integrations.django.middleware.MemoryMiddleware"],
    )
    django.setup()
    client = Client()
    for each in PATHS:
        client.get(each)


def aiohttp() -> None:
    """Serve all paths."""
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    from fwmemtrace.integrations.aiohttp import memory_middleware

    async def one(request: web.Request) -> web.Response:
        return web.Response(text=check(int(request.match_info["number"])))

    async def whole(request: web.Request) -> web.Response:
        return web.Response(text=summary(request.match_info["day"]))

    async def serve() -> None:
        app = web.Application(middlewares=[memory_middleware])
        app.add_routes([web.get("/check/{number}", one), web.get("/summary/{day}", whole)])
        async with TestClient(TestServer(app)) as client:
            for path in PATHS:
                await (await client.get(path)).read()

    asyncio.run(serve())


def grpc() -> None:
    """Serve all calls."""
    import grpc

    from fwmemtrace.integrations.grpc import MemoryInterceptor

    handlers = {
        "Check": grpc.unary_unary_rpc_method_handler(lambda number, _: check(int(number)).encode()),
        "Summary": grpc.unary_unary_rpc_method_handler(lambda day, _: summary(day.decode()).encode()),
    }
    server = grpc.server(ThreadPoolExecutor(1), interceptors=[MemoryInterceptor()])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("guard.Firewall", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method, argument in _calls():
            channel.unary_unary(f"/guard.Firewall/{method.title()}")(argument.encode())
    server.stop(None).wait()


def celery() -> None:
    """Run all tasks."""
    from celery import Celery
    from celery.contrib.testing.worker import start_worker

    from fwmemtrace.integrations.celery import instrument

    app = Celery("guard", broker="memory://", backend="cache+memory://")
    instrument()
    tasks: dict[str, Any] = {task.__name__: app.task(name=f"guard.{task.__name__}")(task) for task in (check, summary)}
    app.conf.update(worker_hijack_root_logger=False, broker_transport_options={"polling_interval": 0.01})
    with start_worker(app, perform_ping_check=False, pool="solo", loglevel="error"):
        for task, argument in _calls():
            tasks[task].delay(int(argument) if task == "check" else argument).get(timeout=60, interval=0.01)


def _calls() -> Iterator[tuple[str, str]]:
    """Yield the name and the argument of each call."""
    for path in PATHS:
        _, name, argument = path.split("/")
        yield name, argument


if __name__ == "__main__":
    {each.__name__: each for each in (fastapi, flask, django, aiohttp, grpc, celery)}[sys.argv[1]]()
