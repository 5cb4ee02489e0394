"""Traces of two versions of a service on three hosts, added to a dataset that answers all questions."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

SERVICE = """
from fwmemtrace import phase

@phase("load model")
def load(megabytes):
    return bytearray(b"x" * (megabytes * 1_000_000))

@phase("check")
def check():
    return "y" * 2_000_000

model = load({megabytes})
answers = [check() for _ in range(3)]
"""
HOSTS = ("a", "b", "c")
VERSIONS = {"1.4": 40, "1.5": 90}  # what the model takes, in megabytes


def main() -> None:
    """Run the service, and then the two commands that are shown."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.mkdir("traces")
        for version, megabytes in VERSIONS.items():
            for host in HOSTS:
                labels = f"service.version={version},host.name=web-{host}"
                settings = {"FWMEMTRACE_SERVICE": "guard", "FWMEMTRACE_LABELS": labels}
                target = f"traces/{version}-{host}.bin"
                program = SERVICE.format(megabytes=megabytes + ord(host) % 3)
                _run({"FWMEMTRACE": target, **settings}, "-c", f"import fwmemtrace\n{program}")
        for command in ("fleet add traces --into memory", "fleet report memory"):
            print(f"$ fwmemtrace {command}", flush=True)
            _run({}, "-m", "fwmemtrace", *command.split())


def _run(settings: dict[str, str], *arguments: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "FWMEMTRACE_TARGET"}
    subprocess.run([sys.executable, *arguments], env={**environ, **settings}, check=True)


if __name__ == "__main__":
    main()
