"""The memray exporter writes the capture as memray wrote it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fwmemtrace
from fwmemtrace import errors, phase, plugins
from fwmemtrace.probes.native.probe import NativeProbe

pytest.importorskip("memray")


def test_identical_bytes(tmp_path, monkeypatch):
    written = []
    move = NativeProbe._move_capture

    def copy_first(self):
        written.append(open(self._capture, "rb").read())  # noqa: SIM115
        move(self)

    monkeypatch.setattr(NativeProbe, "_move_capture", copy_first)
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]), phase("a"):
        kept = bytearray(1_000_000)
    exporter = plugins.load("fwmemtrace.exporters", "memray")()
    exporter.export(fwmemtrace.read(tmp_path / "trace.bin"), tmp_path / "capture.bin")
    assert (tmp_path / "capture.bin").read_bytes() == written[0]
    # memray hides the frames that were around the tracker's start: none of the program's may be among them.
    done = subprocess.run(
        [sys.executable, "-m", "memray", "summary", "capture.bin"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "test_identical_bytes" in done.stdout
    del kept


def test_a_trace_without_a_capture_cannot_be_exported(tmp_path):
    with fwmemtrace.session(tmp_path / "trace.bin"):
        pass
    exporter = plugins.load("fwmemtrace.exporters", "memray")()
    with pytest.raises(errors.CaptureError, match="probe native"):
        exporter.export(fwmemtrace.read(tmp_path / "trace.bin"), tmp_path / "capture.bin")


def test_the_command_exports_the_capture(tmp_path, capsys):
    from fwmemtrace.cli import main

    trace, capture = tmp_path / "trace.bin", tmp_path / "capture.bin"
    with fwmemtrace.session(trace, probes=["native"]):
        pass
    assert main(["export", str(trace), "--to", "memray", "-o", str(capture)]) == 0
    with fwmemtrace.read(trace).capture() as expected:
        assert capture.read_bytes() == expected.read_bytes()
    assert main(["export", str(trace), "--to", "memray", "-o", str(tmp_path / "no" / "folder")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main(["export", str(trace), "--to", "wishes"]) == 2
    assert "memray" in capsys.readouterr().err
