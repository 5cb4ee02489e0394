"""The documentation site: it builds, needs no network, and a broken link fails the build."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace

pytest.importorskip("sphinx", reason="needs the extra docs")
pytest.importorskip("furo")
pytest.importorskip("myst_parser")
pytestmark = pytest.mark.slow
DOCS = Path(__file__).parent.parent / "docs"


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html", "-c", str(DOCS)]
    return subprocess.run([*command, str(source), str(site)], capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(DOCS, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    assert {page.stem for page in DOCS.glob("*.md")} <= {page.stem for page in site.glob("*.html")}


def test_pages_load_nothing_from_the_network(site: Path) -> None:
    for page in site.glob("*.html"):
        loaded = re.findall(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*\"", page.read_text())
        assert loaded == [], page.name
    for style in site.glob("_static/**/*.css"):
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", style.read_text()), style.name


def test_every_public_name_is_documented(site: Path) -> None:
    documented = set(re.findall(r'id="(fwmemtrace\.[\w.]+)"', (site / "api.html").read_text()))
    assert {f"fwmemtrace.{name}" for name in fwmemtrace.__all__} - documented <= {
        "fwmemtrace.__version__",
        "fwmemtrace.Phase",  # what `phase` returns
    }
    assert {"fwmemtrace.config.Settings", "fwmemtrace.records.PhaseBegin", "fwmemtrace.suite.Component"} <= documented


@pytest.mark.parametrize("link", ["nowhere.md", "#no-such-heading", "../no-such-file.md", "index.md#no-such-heading"])
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "index.md"
    page.write_text("# Title\n\n[fine](#title)\n")
    assert build(tmp_path / "docs", tmp_path / "fine").returncode == 0
    page.write_text(f"# Title\n\n[broken]({link})\n")
    done = build(tmp_path / "docs", tmp_path / "broken")
    assert done.returncode != 0
    assert "index.md:3" in done.stderr


def test_links_out_of_docs_lead_to_the_repository(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "CHANGELOG.md").touch()
    (tmp_path / "docs" / "index.md").write_text("# Title\n\n[changes](../CHANGELOG.md)\n")
    done = build(tmp_path / "docs", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert re.search(r'href="https://[^"]*/blob/main/CHANGELOG.md"', (tmp_path / "site" / "index.html").read_text())
