"""Frames of fwmemtrace itself are left out of stacks, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.capture.own_frames import is_ours
from fwmemtrace.capture.readers import reader_for
from programs import run_program

PACKAGE = Path(fwmemtrace.__file__).parent
SOURCES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_every_module_of_the_package_is_ours_wherever_it_is_installed():
    assert len(SOURCES) > 100
    for source in SOURCES:
        assert is_ours(f"/venv/lib/python3.11/site-packages/fwmemtrace/{source}"), source


@pytest.mark.parametrize(
    "source",
    [
        *("phases.py", "edges.py", "session.py", "spans.py", "context.py", "program.py", "referents.py", "marks.py"),
        *("probes/native.py", "probes/panel.py", "probes/maps_watch.py", "probes/task_switches.py", "sinks/outlet.py"),
        *("tracefile/encode.py", "cli/run.py", "suite/child.py"),
    ],
)
def test_the_modules_of_version_0_1_are_ours(source):
    assert is_ours(f"/usr/lib/python3/dist-packages/fwmemtrace/{source}")


@pytest.mark.parametrize(
    "file",
    [
        "/home/me/fwmemtrace/examples/guard.py",
        "/home/me/fwmemtrace/app.py",
        "/home/me/fwmemtrace/tests/test_session.py",
        "/srv/app/recording/session.py",
        "/srv/my-fwmemtrace/trace.py",
        "/srv/fwmemtrace/vendor/requests/session.py",
        "trace.py",
        "<string>",
        "",
    ],
)
def test_files_of_the_program_are_not(file):
    assert not is_ours(file)


def test_the_frame_of_a_marker_is_ours():
    assert is_ours("<fwmemtrace>")


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["", "native_traces=True, python_allocators=True"], ids=["python", "native"])
def test_no_stack_of_a_capture_has_a_frame_of_ours(tmp_path, settings):
    """Of a process of its own: in one that has run other tests, walks over the heap take long."""
    pytest.importorskip("memray")
    done = run_program(
        tmp_path,
        f"""
        import fwmemtrace
        from fwmemtrace import phase

        @phase("decorated")
        def decorated():
            return bytearray(3_000_000)

        with fwmemtrace.session("trace.bin", probes="all", {settings}):
            with phase("outer"):
                kept = [decorated() for _ in range(3)]
        """,
        timeout_s=300,
    )
    assert done.returncode == 0, done.stderr
    with fwmemtrace.read(tmp_path / "trace.bin").capture() as capture, reader_for("memray").samples(capture) as samples:
        files = {frame.file for sample in samples for frame in sample.stack}
    assert str(tmp_path / "program.py") in files
    assert [file for file in files if file == "<fwmemtrace>" or f"{PACKAGE}/" in file] == []
