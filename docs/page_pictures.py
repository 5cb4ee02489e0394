"""Makes the pictures of the HTML report in docs/images.

Run it from the repository with the extras `test` and `guard`, Chromium and Pillow: `python docs/page_pictures.py`. It
traces small programs and an example, renders their pages, and takes a picture of each section. For the page that shows
other profilers, it runs memray, and scalene by a Python that has it, numpy, msgspec and psutil: `--scalene PYTHON`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import fwmemtrace

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
EXAMPLES = ("guard.py", "prompts.txt")
PROGRAMS = {
    "guard": ("guard.py", "resident,imports,mappings,tensors,native"),
    "shop": ("shop.py", "resident,imports,mappings,python_heap,objects,collector"),
}
# A service with a cache that nobody limits, and a thread in the background.
SHOP = """
import random
import threading
import time

from fwmemtrace import phase


class Session:
    def __init__(self, customer):
        self.customer = customer
        self.basket = [random.random() for _ in range(700)]


sessions = {}


@phase
def checkout(number):
    with phase("parse"):
        fields = [str(number) * 3 for _ in range(2000)]
    with phase("session"):
        sessions[number] = Session(fields[0])
    with phase("render"):
        return "".join(fields)


@phase
def refresh_prices():
    for _ in range(8):
        with phase("download"):
            prices = bytearray(12_000_000)
            prices[::4096] = bytes(len(prices[::4096]))
            time.sleep(0.15)


def main():
    with phase("start"):
        import decimal, email.mime.text, sqlite3
        catalogue = {number: f"article {number}" for number in range(120_000)}
    thread = threading.Thread(target=refresh_prices)
    thread.start()
    for number in range(400):
        checkout(number)
    thread.join()
    return catalogue


main()
"""
# Name, program, width, colour scheme, section; without a section it is the top of the page.
PICTURES = [
    ("page-guard", "guard", 1280, "light", None),
    ("page-stacks", "guard", 1280, "dark", "stacks"),
    ("page-holding", "guard", 1280, "light", "holding"),
    ("page-growth", "shop", 1280, "light", "growth"),
    ("page-source", "shop", 1280, "light", "source"),
    ("page-phone", "guard", 390, "dark", None),
]
HEIGHT = 1400
# The same program for each profiler: a file of docs/samples, and the size of the pictures.
BESIDE = ROOT / "docs" / "samples" / "embeddings.py"
BESIDE_SIZE = (1280, 860)


def traced(name: str, folder: Path) -> Path:
    """Traces an example in a folder, from a copy of it, and returns the trace."""
    program, probes = PROGRAMS[name]
    trace = folder / f"{name}.bin"
    command = [sys.executable, "-m", "fwmemtrace", "run", "-o", str(trace), "--probes", probes, program]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return trace


def take(browser: Browser, page_file: Path, width: int, scheme: str, section: str | None, picture: Path) -> None:
    """Takes one picture."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT if width > 700 else 2 * HEIGHT}, color_scheme=scheme
    )  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(page_file.as_uri())
    if section is None:
        page.wait_for_timeout(500)
        page.screenshot(path=picture)
    else:
        found = page.locator(f"#{section}")
        found.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        found.screenshot(path=picture)
    context.close()
    Image.open(picture).convert("RGB").save(picture, optimize=True)


def take_sections(browser: Browser, folder: Path) -> None:
    """Takes the pictures of the sections."""
    for file in EXAMPLES:
        shutil.copy(ROOT / "examples" / file, folder)
    (folder / "shop.py").write_text(SHOP.lstrip(), encoding="utf-8")
    pages = {}
    for program in PROGRAMS:
        pages[program] = folder / f"{program}.html"
        source = fwmemtrace.read(traced(program, folder)).report("html", budget="500MB")
        pages[program].write_text(source, encoding="utf-8")
    for picture, program, width, scheme, section in PICTURES:
        take(browser, pages[program], width, scheme, section, IMAGES / f"{picture}.png")


def take_beside(browser: Browser, folder: Path, scalene: str | None) -> None:
    """Takes a picture of what memray, scalene and this package make of one program; without scalene, of the others."""
    shutil.copy(BESIDE, folder)
    shutil.copytree(ROOT / "src" / "fwmemtrace", folder / "site" / "fwmemtrace")  # whose paths the pictures show
    run = [sys.executable, "-m"]
    commands = [
        [*run, "memray", "run", "-q", "-o", "memray.bin", BESIDE.name],
        [*run, "memray", "flamegraph", "--no-web", "-o", "memray.html", "memray.bin"],
        [*run, "fwmemtrace", "run", "-o", "fwmemtrace.bin", "--probes", "tensors", BESIDE.name],
        [*run, "fwmemtrace", "report", "fwmemtrace.bin", "--format", "html", "-o", "fwmemtrace.html"],
    ]
    pages = ["memray.html", "fwmemtrace.html"]
    if scalene is not None:
        commands.append([scalene, "-m", "scalene", "run", "-o", "scalene.json", BESIDE.name])
        commands.append([scalene, "-m", "scalene", "view", "--standalone", "scalene.json"])
        pages.append("scalene-profile.html")
    for command in commands:
        environ = {**os.environ, "PYTHONPATH": str(folder / "site")}
        subprocess.run(command, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL)
    for name in pages:
        picture = IMAGES / f"beside-{name.partition('.')[0].partition('-')[0]}.png"
        page = browser.new_page(viewport=dict(zip(("width", "height"), BESIDE_SIZE, strict=True)))
        page.goto((folder / name).as_uri())
        page.wait_for_timeout(3000)
        page.screenshot(path=picture)
        page.close()
        Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser")
    parser.add_argument("--scalene", metavar="PYTHON", help="a Python that has scalene; its picture stays without")
    parser.add_argument("--beside", action="store_true", help="only the pictures that show other profilers")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        folder = Path(name) / "guard"
        folder.mkdir()
        take_beside(browser, folder, options.scalene)
        if not options.beside:
            take_sections(browser, folder)
        browser.close()


if __name__ == "__main__":
    main()
