"""Puts the page together: head, sections that need no script, data, script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from ..blocks import Section, Sentence
from .document import write_inline, write_sections

_MAIN = "main"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.mjs";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|let|class) (\w+)", re.MULTILINE)
# The page may load nothing: the browser refuses whatever a name in the trace might smuggle in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"


def write_page(
    first: Iterable[Section],
    last: Iterable[Section],
    warnings: Sequence[Sentence],
    data: dict[str, Any],
    *,
    wide: bool = False,
) -> str:
    """Returns the page.

    Args:
        first: sections above the charts.
        last: sections below them.
        wide: whether these are wide, so that there is one column of them.
        warnings: what makes figures less certain.
        data: what the charts show; see `data.page_data`.
    """
    notices = "".join(f"<p>{write_inline(sentence)}</p>" for sentence in warnings)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Memory report</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<style>{_asset("page.css")}</style></head>
<body>
<a class="skip" href="#report">Skip to the report</a>
<header id="head"><h1>Memory report</h1></header>
<main id="report">
<div id="notices">{notices}</div>
<div id="first">{_panels(first)}</div>
<noscript><p>The charts of this page need JavaScript. Without it, use the formats text or markdown.</p></noscript>
<div id="charts"></div>
<div id="last"{' class="wide"' if wide else ""}>{_panels(last)}</div>
</main>
<script type="application/json" id="data">{encode(data)}</script>
<script type="module">{script()}</script>
</body></html>
"""


def _panels(sections: Iterable[Section]) -> str:
    """Returns each section as a panel, together with those of a lower level after it."""
    chapters: list[list[Section]] = []
    for section in sections:
        if section.level == 2 or not chapters:
            chapters.append([])
        chapters[-1].append(section)
    return "\n".join(f'<div class="panel">{write_sections(chapter)}</div>' for chapter in chapters)


def encode(data: Any) -> str:
    r"""Returns data as JSON that is safe inside a script element, in ASCII, so that any text of any name is kept.

    >>> print(encode("</script>\ud800"))
    "\u003c/script\u003e\ud800"
    """
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def script() -> str:
    """Returns the modules of the script as one, each after those that it imports."""
    return "const modules = {};\n" + "".join(_wrapped(name, text) for name, text in _modules().items())


def _modules() -> dict[str, str]:
    """Returns the source of each module by its name, those that others import first."""
    ordered: dict[str, str] = {}

    def visit(name: str) -> None:
        text = _asset(f"{name}.mjs")
        for _, needed in _IMPORT.findall(text):
            if needed not in ordered:
                visit(needed)
        ordered[name] = text

    visit(_MAIN)
    return ordered


def _wrapped(name: str, text: str) -> str:
    """Returns a module as a function, so that its names stay its own, and what it exports as an entry of `modules`."""
    exported = ", ".join(found[1] for found in _EXPORT.findall(text))
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(r"const \1 = modules.\2;", text)).strip()
    return f"modules.{name} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
