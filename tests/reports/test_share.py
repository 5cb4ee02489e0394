"""`report --share` leaves out what others need not know, in every format, and keeps all figures."""

from __future__ import annotations

import json
import platform
import sys

import msgspec
import pytest

import fwmemtrace
from fwmemtrace import phase, results
from fwmemtrace.cli import main
from fwmemtrace.reports.share import shareable

PRIVATE = ["anna", "db7.example.org", "10.1.2.3", "acme", "s3cret", "/home", "/srv"]


@pytest.fixture
def trace_path(tmp_path, monkeypatch):
    command = ["/home/anna/venv/bin/python", "/srv/acme-app/serve.py", "--customer", "acme"]
    monkeypatch.setattr(sys, "orig_argv", command)
    path = tmp_path / "t.bin"
    labels = {"host.name": "db7.example.org", "customer": "acme"}
    with fwmemtrace.session(path, interval=0, service="serve", instance="anna-1", labels=labels) as session:
        with phase("load /home/anna/a/model.bin", customer="acme"):
            with phase("inside"):
                pass
        with phase("load /home/anna/b/model.bin"):
            pass
        for name in (
            "GET http://db7.example.org:80/users",
            "from 10.1.2.3",
            "mail anna@example.org",
            "GET /users/{id}",
        ):
            with phase(name):
                pass
        session.record(fwmemtrace.records.Note(1, "x", "cannot read /home/anna/x.txt on http://anna:s3cret@h/"))
    return path


@pytest.mark.parametrize("format", ["text", "markdown", "html", "json"])
def test_nothing_private_is_in_a_shared_report(format, trace_path, capsys):
    assert main(["report", "--share", "--format", format, str(trace_path)]) == 0
    page = capsys.readouterr().out
    assert [private for private in [*PRIVATE, str(trace_path.parent)] if private in page] == []
    assert "serve.py" in page


def test_the_figures_and_the_tree_of_phases_stay(trace_path, capsys):
    main(["report", "--share", "--format", "json", str(trace_path)])
    shared = json.loads(capsys.readouterr().out)
    whole = msgspec.to_builtins(fwmemtrace.read(trace_path).summary(top=5))
    assert [row["resident"] for row in shared["phases"]] == [row["resident"] for row in whole["phases"]]
    assert [row["path"] for row in shared["phases"]] == [
        "load model.bin",
        "load model.bin/inside",
        "load model.bin (2)",
        "GET http:\\/\\/[hidden]\\/users",
        "from [hidden]",
        "mail [hidden]",
        "GET \\/users\\/{id}",
        "",
    ]
    assert shared["trace"]["processes"][0]["service"] == "serve"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/usr/lib/python3.11/json/decoder.py", "json/decoder.py"),
        ("/home/anna/venv/lib/python3.11/site-packages/torch/nn/modules.py", "torch/nn/modules.py"),
        ("/home/anna/app.py", "app.py"),
        (r"C:\Users\anna\app.py", "app.py"),
        (r"in C:\Users\anna\app.py, line 3", "in app.py, line 3"),
        ("/", "[hidden]"),
        ("app.py", "app.py"),
        ("torch/nn/modules.py", "torch/nn/modules.py"),
        ("reading /tmp/x/y.bin: no such file", "reading y.bin: no such file"),
        ("1/2 of 3/4, 12:30:01, 1.2.3", "1/2 of 3/4, 12:30:01, 1.2.3"),
        ("[::1] fe80:0:0:1:2:3", "[::1] [hidden]"),
        (f"on {platform.node()} here", "on [hidden] here" if len(platform.node()) > 3 else None),
    ],
)
def test_texts(text, shown):
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[text], processes=[])
    (note,) = shareable(results.TraceReport(trace=info, phases=[])).trace.notes
    assert shown is None or note == shown


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["/usr/bin/python3", "-X", "dev", "/srv/app.py", "-v"], ["python3", "-X", "dev", "app.py"]),
        (["python", "-m", "acme.serve", "--port", "1"], ["python", "-m", "acme.serve"]),
        (["python", "-m", "fwmemtrace", "run", "-o", "/x/t.bin", "app.py", "acme"], ["python", "-m", "fwmemtrace"]),
        (["python", "-c", "print('acme')"], ["python", "-c"]),
        (["app"], ["app"]),
        ([], []),
    ],
)
def test_commands(command, shown):
    process = results.Process(
        pid=1,
        parent_pid=0,
        python="3",
        platform="linux",
        command=command,
        started_unix_ns=0,
        ended="closed",
        last_phase=None,
        peak_source="kernel",
        probes=[],
        wall_ns=0,
        before_session_bytes=0,
        end_bytes=0,
        peak_bytes=0,
        outside_phases_bytes=0,
        overlap_bytes=0,
        lost_records=0,
    )
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[process])
    assert shareable(results.TraceReport(trace=info, phases=[])).trace.processes[0].command == shown
