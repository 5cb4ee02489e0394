"""Middlewares: a phase for each route, with real frameworks and their own test clients or servers."""

from __future__ import annotations

import asyncio
import io
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

import fwmemtrace
from fwmemtrace.records import PhaseAttributes, PhaseBegin, PhaseEnd, SessionBegin, Snapshot
from fwmemtrace.sinks import MemorySink

pytestmark = pytest.mark.slow


@pytest.fixture
def sink() -> Iterator[MemorySink]:
    memory = MemorySink()
    with fwmemtrace.session(memory, interval=0):
        yield memory


def requests_of(sink: MemorySink) -> list[tuple[str, Any, str | None]]:
    """Name, status and error of each phase, in the order in which they began. All must have ended."""
    begun = {record.span: record.name for record in sink.records if isinstance(record, PhaseBegin)}
    status = {record.span: record.attributes for record in sink.records if isinstance(record, PhaseAttributes)}
    errors = {record.span: record.error for record in sink.records if isinstance(record, PhaseEnd)}
    assert set(errors) == set(begun)
    return [(name, status.get(span, {}).get("status"), errors[span]) for span, name in begun.items()]


def fastapi_app() -> Any:
    fastapi = pytest.importorskip("fastapi", reason="needs fastapi")
    from fastapi.responses import StreamingResponse
    from fastapi.staticfiles import StaticFiles

    from fwmemtrace.integrations.starlette import instrument

    app, router = fastapi.FastAPI(), fastapi.APIRouter(prefix="/api")

    @app.get("/users/{id}")
    async def user(id: int) -> int:
        return id

    @app.get("/failing")
    def failing() -> None:
        raise LookupError("lost")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> Any:
            for number in range(3):
                with fwmemtrace.phase(f"chunk {number}"):
                    yield b"x"

        return StreamingResponse(chunks())

    @router.post("/items/{name}")
    def item(name: str) -> str:
        return name

    async def chat(websocket: Any, room: str) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    chat.__annotations__["websocket"] = fastapi.WebSocket
    app.websocket("/ws/{room}")(chat)

    inner = fastapi.FastAPI()

    @inner.get("/deep/{x}")
    def deep(x: str) -> str:
        return x

    app.include_router(router)
    app.mount("/inner", inner)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent))
    instrument(app)
    return app


def test_fastapi(sink: MemorySink) -> None:
    app = fastapi_app()
    from starlette.testclient import TestClient

    client = TestClient(app, raise_server_exceptions=False)
    for number in range(3):
        assert client.get(f"/users/{number}").json() == number
    client.get("/users/not-a-number")
    client.delete("/users/1")
    client.get("/nowhere/at/all")
    client.get("/failing")
    client.post("/api/items/a%2Fb")
    client.post("/api/items/c")
    client.get("/inner/deep/1")
    client.get("/static/nothing/here")
    client.request("BREW", "/users/1")
    with client.websocket_connect("/ws/blue") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
    assert requests_of(sink) == [
        ("GET /users/{id}", 200, None),
        ("GET /users/{id}", 200, None),
        ("GET /users/{id}", 200, None),
        ("GET /users/{id}", 422, None),
        ("DELETE /users/{id}", 405, None),
        ("GET (no route)", 404, None),
        ("GET /failing", None, "LookupError"),
        ("POST (no route)", 404, None),
        ("POST /api/items/{name}", 200, None),
        ("GET /inner/deep/{x}", 200, None),
        ("GET /static/*", 404, None),
        ("OTHER /users/{id}", 405, None),
        ("WEBSOCKET /ws/{room}", None, None),
    ]


def test_a_streaming_response_is_in_its_phase_to_the_last_chunk(sink: MemorySink) -> None:
    app = fastapi_app()
    from starlette.testclient import TestClient

    TestClient(app).get("/stream")
    begun = {record.span: record for record in sink.records if isinstance(record, PhaseBegin)}
    names = {record.name: begun[record.parent].name if record.parent else None for record in begun.values()}
    assert names == {"GET /stream": None, **{f"chunk {number}": "GET /stream" for number in range(3)}}
    assert requests_of(sink)[0] == ("GET /stream", 200, None)


def test_concurrent_requests_are_phases_of_their_own(sink: MemorySink) -> None:
    fastapi = pytest.importorskip("fastapi", reason="needs fastapi")
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    from fwmemtrace.integrations.starlette import instrument

    app = fastapi.FastAPI()
    together = asyncio.Barrier(2)

    @app.get("/a/{x}")
    async def first(x: str) -> None:
        await together.wait()

    @app.get("/b/{x}")
    async def second(x: str) -> None:
        with fwmemtrace.phase("inside"):
            await together.wait()

    instrument(app)

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await asyncio.gather(client.get("/a/1"), client.get("/b/2"))

    asyncio.run(ask())
    begun = {record.span: record for record in sink.records if isinstance(record, PhaseBegin)}
    parents = {record.name: begun[record.parent].name if record.parent else None for record in begun.values()}
    assert parents == {"GET /a/{x}": None, "GET /b/{x}": None, "inside": "GET /b/{x}"}


def test_without_a_session_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fastapi_app()
    from starlette.testclient import TestClient

    from fwmemtrace.integrations import starlette

    monkeypatch.setattr(starlette, "_find", None)
    assert TestClient(app).get("/users/1").status_code == 200


def flask_app() -> Any:
    flask = pytest.importorskip("flask", reason="needs flask")
    from fwmemtrace.integrations.flask import instrument

    app = flask.Flask(__name__)

    @app.get("/users/<int:number>")
    def user(number: int) -> str:
        return str(number)

    @app.get("/failing")
    def failing() -> str:
        raise LookupError("lost")

    @app.get("/stream")
    def stream() -> Any:
        def chunks() -> Iterator[str]:
            for number in range(3):
                with fwmemtrace.phase(f"chunk {number}"):
                    yield "x"

        return flask.Response(chunks())

    instrument(app)
    return app


def test_flask(sink: MemorySink) -> None:
    client = flask_app().test_client()
    assert client.get("/users/7").text == "7"
    for path in ("/users/8", "/users/x", "/failing"):
        client.get(path).close()
    client.delete("/users/9")
    with client.get("/stream") as response:
        assert response.text == "xxx"
    assert requests_of(sink)[:5] == [
        ("GET /users/<int:number>", 200, None),
        ("GET /users/<int:number>", 200, None),
        ("GET (no route)", 404, None),
        ("GET /failing", 500, None),
        ("DELETE /users/<int:number>", 405, None),
    ]
    begun = {record.span: record for record in sink.records if isinstance(record, PhaseBegin)}
    inner = [begun[record.parent].name for record in begun.values() if record.parent]
    assert inner == ["GET /stream"] * 3


def test_a_response_that_a_test_client_does_not_close_has_ended_with_its_last_byte(sink: MemorySink) -> None:
    client = flask_app().test_client()
    responses = [client.get(f"/users/{number}") for number in range(3)]
    begun = [record for record in sink.records if isinstance(record, PhaseBegin)]
    assert [record.parent for record in begun] == [0, 0, 0]
    assert [response.text for response in responses] == ["0", "1", "2"]
    assert requests_of(sink) == [("GET /users/<int:number>", 200, None)] * 3


def test_a_response_that_nobody_reads_to_its_end_has_no_other_request_inside(sink: MemorySink) -> None:
    client = flask_app().test_client()
    unread = client.get("/stream")
    with fwmemtrace.phase("between"):
        client.get("/users/1")
    unread.close()
    begun = {record.span: record for record in sink.records if isinstance(record, PhaseBegin)}
    parents = {record.name: begun[record.parent].name if record.parent else None for record in begun.values()}
    assert parents == {
        "GET /stream": None,
        "chunk 0": "GET /stream",  # the client waits for the status, which comes with the first chunk
        "between": None,
        "GET /users/<int:number>": "between",
    }
    assert requests_of(sink)[0] == ("GET /stream", 200, None)


def test_wsgi_applications_that_raise_or_are_cut_short(sink: MemorySink) -> None:
    from wsgiref.util import setup_testing_defaults

    from fwmemtrace.integrations.wsgi import WsgiMiddleware

    def application(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/raises":
            raise LookupError("lost")
        start_response("206 Partial Content", [])
        return iter([b"a", b"b"])

    app = WsgiMiddleware(application, route=lambda environ: environ["PATH_INFO"])
    environ: dict[str, Any] = {"PATH_INFO": "/raises"}
    setup_testing_defaults(environ)
    with pytest.raises(LookupError):
        app(environ, lambda *_: lambda _: None)
    body = app({**environ, "PATH_INFO": "/cut"}, lambda *_: lambda _: None)
    assert next(iter(body)) == b"a"
    body.close()  # type: ignore[attr-defined]
    assert requests_of(sink) == [("GET /raises", None, "LookupError"), ("GET /cut", 206, None)]


def test_a_server_sees_of_an_application_what_it_sees_without_the_middleware(sink: MemorySink) -> None:
    from wsgiref.handlers import SimpleHandler
    from wsgiref.util import setup_testing_defaults

    from fwmemtrace.integrations.wsgi import WsgiMiddleware

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [], exc_info=None)
        return iter([b"ab"]) if environ["PATH_INFO"] == "/stream" else [b"ab"]

    def answer(app: Any, path: str) -> bytes:
        sent = io.BytesIO()
        environ: dict[str, Any] = {"PATH_INFO": path}
        setup_testing_defaults(environ)
        handler = SimpleHandler(io.BytesIO(), sent, io.StringIO(), environ)
        handler.http_version = "1.0"
        handler.run(app)
        return b"\n".join(line for line in sent.getvalue().splitlines() if not line.startswith(b"Date"))

    app = WsgiMiddleware(application, route=lambda environ: environ["PATH_INFO"])
    for path in ("/list", "/stream"):
        assert answer(app, path) == answer(application, path)
    assert b"Content-Length: 2" in answer(app, "/list")
    assert {status for _, status, _ in requests_of(sink)} == {200}


DJANGO = """
    import asyncio, sys
    import django
    from django.conf import settings
    from django.http import FileResponse, HttpResponse, StreamingHttpResponse
    from django.urls import include, path

    settings.configure(
        ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x",
        INSTALLED_APPS=["fwmemtrace.integrations.django"],
        MIDDLEWARE=["fwmemtrace.integrations.django.middleware.MemoryMiddleware"],
        FWMEMTRACE_TARGET="trace.bin", FWMEMTRACE_INTERVAL=0, FWMEMTRACE_SERVICE="shop",
    )
    django.setup()
    from fwmemtrace import phase

    def user(request, number): return HttpResponse(str(number))
    def failing(request): raise LookupError("lost")
    async def slow(request):
        await asyncio.sleep(0)
        return HttpResponse("slow")
    def chunks():
        for number in range(3):
            with phase(f"chunk {number}"):
                yield b"x"
    def stream(request): return StreamingHttpResponse(chunks())
    def file(request): return FileResponse(open(__file__, "rb"))
    async def async_chunks():
        for number in range(3):
            yield b"y"
    async def async_stream(request): return StreamingHttpResponse(async_chunks())

    inner = [path("users/<int:number>/", user)]
    urlpatterns = [path("api/", include(inner)), path("failing/", failing), path("slow/", slow),
                   path("stream/", stream), path("file/", file), path("async-stream/", async_stream)]

    from django.test import AsyncClient, Client
    client = Client(raise_request_exception=False)
    client.get("/api/users/1/"); client.get("/api/users/2/"); client.get("/nowhere"); client.get("/failing/")
    assert b"".join(client.get("/stream/").streaming_content) == b"xxx"
    client.get("/stream/").close()
    from wsgiref.util import FileWrapper, setup_testing_defaults
    from django.core.wsgi import get_wsgi_application
    environ = {"PATH_INFO": "/file/", "wsgi.file_wrapper": FileWrapper}
    setup_testing_defaults(environ)
    body = get_wsgi_application()(environ, lambda *_: None)
    assert type(body) is FileWrapper  # which a server may send without reading it
    client.get("/api/users/3/")
    body.close()
    async def ask():
        client = AsyncClient(raise_request_exception=False)
        await client.get("/slow/")
        response = await client.get("/async-stream/")
        assert b"".join([chunk async for chunk in response.streaming_content]) == b"yyy"
    asyncio.run(ask())
"""


def test_django(tmp_path: Path) -> None:
    pytest.importorskip("django", reason="needs django")
    (tmp_path / "app.py").write_text(textwrap.dedent(DJANGO))
    done = run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    rows = {row.path: row for row in trace.phases if row.path}
    outermost = {row.name: (row.calls, row.attributes.get("status")) for row in rows.values() if row.parent is None}
    assert outermost == {
        "GET /api/users/<int:number>/": (3, 200),
        "GET /file/": (1, 200),
        "GET (no route)": (1, 404),
        "GET /failing/": (1, 500),
        "GET /stream/": (2, 200),
        "GET /slow/": (1, 200),
        "GET /async-stream/": (1, 200),
    }
    assert [row.open_calls for row in rows.values()] == [0] * len(rows)
    assert {row.parent for row in rows.values() if row.name.startswith("chunk")} == {"GET \\/stream\\/"}
    (begin,) = [record for record in trace if isinstance(record, SessionBegin)]
    assert begin.service == "shop"


def test_aiohttp(sink: MemorySink) -> None:
    web = pytest.importorskip("aiohttp.web", reason="needs aiohttp")
    from aiohttp.test_utils import TestClient, TestServer

    from fwmemtrace.integrations.aiohttp import memory_middleware

    async def user(request: Any) -> Any:
        return web.Response(text=request.match_info["id"])

    async def stream(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        with fwmemtrace.phase("chunk"):
            await response.write(b"x")
        return response

    async def failing(request: Any) -> Any:
        raise LookupError("lost")

    async def moved(request: Any) -> Any:
        raise web.HTTPFound("/users/1")

    async def ask() -> None:
        app = web.Application(middlewares=[memory_middleware])
        app.router.add_get("/moved", moved)
        app.router.add_static("/static", Path(__file__).parent)
        app.router.add_get("/users/{id}", user)
        app.router.add_get("/stream", stream)
        app.router.add_get("/failing", failing)
        async with TestClient(TestServer(app)) as client:
            for path in ("/users/1", "/users/2", "/nowhere", "/stream", "/failing", "/moved", "/static/nothing"):
                await (await client.get(path, allow_redirects=False)).read()

    asyncio.run(ask())
    assert requests_of(sink) == [
        ("GET /users/{id}", 200, None),
        ("GET /users/{id}", 200, None),
        ("GET (no route)", 404, None),
        ("GET /stream", 200, None),
        ("chunk", None, None),
        ("GET /failing", None, "LookupError"),
        ("GET /moved", 302, None),
        ("GET /static", None, None),  # that there is no such file shows when it is sent
    ]


def test_grpc(sink: MemorySink) -> None:
    grpc = pytest.importorskip("grpc", reason="needs grpcio")
    from fwmemtrace.integrations.grpc import MemoryInterceptor

    def echo(request: bytes, context: Any) -> bytes:
        return request

    def count(request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(3):
            with fwmemtrace.phase("item"):
                yield bytes([number])

    def refuse(request: bytes, context: Any) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such prompt")

    server = grpc.server(ThreadPoolExecutor(2), interceptors=[MemoryInterceptor()])
    handlers = {
        "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Count": grpc.unary_stream_rpc_method_handler(count),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("guard.Firewall", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert channel.unary_unary("/guard.Firewall/Echo")(b"x") == b"x"
        assert len(list(channel.unary_stream("/guard.Firewall/Count")(b""))) == 3
        for missing in ("Nothing", "Refuse"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(f"/guard.Firewall/{missing}")(b"")
    server.stop(None).wait()
    assert requests_of(sink) == [
        ("/guard.Firewall/Echo", "OK", None),
        ("/guard.Firewall/Count", "OK", None),
        *[("item", None, None)] * 3,
        ("/guard.Firewall/Refuse", "NOT_FOUND", "Exception"),
    ]


def test_grpc_aio(sink: MemorySink) -> None:
    grpc = pytest.importorskip("grpc", reason="needs grpcio")
    from fwmemtrace.integrations.grpc import AsyncMemoryInterceptor

    async def echo(request: bytes, context: Any) -> bytes:
        return request

    async def count(request: bytes, context: Any) -> Any:
        for number in range(3):
            yield bytes([number])

    async def writes(request: bytes, context: Any) -> None:
        await context.write(b"x")

    def blocks(request: bytes, context: Any) -> bytes:  # which the server runs in a thread
        return request

    async def exists(request: bytes, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.ALREADY_EXISTS)
        return b""

    async def ask() -> None:
        server = grpc.aio.server(interceptors=[AsyncMemoryInterceptor()])
        handlers = {
            "Echo": grpc.unary_unary_rpc_method_handler(echo),
            "Count": grpc.unary_stream_rpc_method_handler(count),
            "Writes": grpc.unary_stream_rpc_method_handler(writes),
            "Blocks": grpc.unary_unary_rpc_method_handler(blocks),
            "Exists": grpc.unary_unary_rpc_method_handler(exists),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("guard.Firewall", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert await channel.unary_unary("/guard.Firewall/Echo")(b"x") == b"x"
            assert len([one async for one in channel.unary_stream("/guard.Firewall/Count")(b"")]) == 3
            assert [one async for one in channel.unary_stream("/guard.Firewall/Writes")(b"")] == [b"x"]
            assert await channel.unary_unary("/guard.Firewall/Blocks")(b"y") == b"y"
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/guard.Firewall/Exists")(b"")
        await server.stop(None)

    asyncio.run(ask())
    assert [(name.rpartition("/")[2], status) for name, status, _ in requests_of(sink)] == [
        ("Echo", "OK"),
        ("Count", "OK"),
        ("Writes", "OK"),
        ("Blocks", "OK"),
        ("Exists", "ALREADY_EXISTS"),
    ]


def test_celery(sink: MemorySink) -> None:
    celery = pytest.importorskip("celery", reason="needs celery")
    from celery.contrib.testing.worker import start_worker

    from fwmemtrace.integrations.celery import instrument

    app = celery.Celery("shop", broker="memory://", backend="cache+memory://")

    @app.task(name="shop.check")
    def check(number: int) -> float:
        with fwmemtrace.phase("inside"):
            return 1 / number

    instrument()
    instrument()  # once is enough
    app.conf.worker_hijack_root_logger = False
    with start_worker(app, perform_ping_check=False, pool="solo", loglevel="warning"):
        assert check.delay(2).get(timeout=60) == 0.5
        with pytest.raises(ZeroDivisionError):
            check.delay(0).get(timeout=60)
    states = [record.attributes["state"] for record in sink.records if isinstance(record, PhaseAttributes)]
    assert [name for name, _, _ in requests_of(sink)] == ["shop.check", "inside"] * 2
    assert states == ["SUCCESS", "FAILURE"]


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_the_debug_page_is_only_for_those_who_may_see_it(tmp_path: Path, framework: str) -> None:
    pytest.importorskip(framework, reason=f"needs {framework}")
    from fwmemtrace.integrations.debug_page import DebugPage

    page = DebugPage(lambda request: "secret" in str(request.get("QUERY_STRING", request.get("query_string", ""))))
    if framework == "fastapi":
        import fastapi
        from starlette.testclient import TestClient

        from fwmemtrace.integrations.starlette import instrument

        app: Any = fastapi.FastAPI()
        instrument(app, page=page)
        client: Any = TestClient(app)
    else:
        import flask

        from fwmemtrace.integrations import flask as integration

        app = flask.Flask(__name__)
        integration.instrument(app, page=page)
        client = app.test_client()
    assert client.get("/-/memory?secret").status_code == 503  # no session is on
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0):
        with fwmemtrace.phase("what ran before"):
            pass
        assert client.get("/-/memory").status_code == 404
        response = client.get("/-/memory?secret")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        assert "what ran before" in response.text
        for query in ("secret&snapshots=1", "snapshot"):  # another key; and one who may not
            client.get(f"/-/memory?{query}")
        assert not snapshots_in(tmp_path / "trace.bin")
        for number, query in enumerate(("secret&snapshot", "snapshot=1&secret"), 1):
            response = client.get(f"/-/memory?{query}")
            assert "/-/memory?snapshot: RSS" in response.text
            assert snapshots_in(tmp_path / "trace.bin") == ["/-/memory?snapshot"] * number


def snapshots_in(path: Path) -> list[str]:
    return [record.reason for record in fwmemtrace.read(path) if isinstance(record, Snapshot)]


def test_a_debug_page_needs_a_rule_for_who_may_see_it() -> None:
    from fwmemtrace.integrations.debug_page import DebugPage

    with pytest.raises(TypeError, match="a function that returns whether to show the page"):
        DebugPage(True)  # type: ignore[arg-type]
