"""The markdown report: for an issue, a wiki page or a file kept with each release."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .. import results
from .base import Options
from .blocks import (
    Alarm,
    Block,
    Code,
    Command,
    Document,
    Guide,
    Inline,
    Listing,
    Prose,
    Section,
    Sentence,
    Table,
    command_lines,
    inline_text,
    parts,
)
from .document import document_of

# A character that markdown reads as markup somewhere in a line; a "_" between letters it leaves alone. The last two
# make an address a link without any markup.
_MARKUP = re.compile(r"[\\`*\[\]<>&|~$#]|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?<=[wW]{3})\.")
# What it reads as a list or a rule at the start of one.
_BLOCK = re.compile(r"^(\d*)([+.)-])(?=[\s-]|$)")


class MarkdownReport:
    """Writes the report as GitHub-flavoured markdown."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        """Returns the whole page."""
        return write_markdown(document_of(report, options))


def write_markdown(document: Document) -> str:
    """Returns a document as a page."""
    blocks = [f"# {_inline(document.title)}"]
    for section in document.sections:
        blocks += _section(section)
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> Iterator[str]:
    title = _inline(section.title)
    if title:
        yield f"{'#' * section.level} {title}"
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Prose(sentences=sentences):
            yield " ".join(_inline(sentence) for sentence in sentences)
        case Table():
            if block.title:
                yield f"**{_inline(block.title)}**"
            yield _table(block)
        case Listing(items=items, ordered=ordered):
            marks = (f"{number}." if ordered else "-" for number in range(1, len(items) + 1))
            yield "\n".join(f"{mark} {_inline(item)}" for mark, item in zip(marks, items, strict=True))
        case Command():
            yield "\n".join(f"    {line}" for line in command_lines(block))


def _table(table: Table) -> str:
    heads = [_inline(column.title, in_table=True) for column in table.columns]
    rule = ["---:" if column.align == "right" else "---" for column in table.columns]
    rows = [[_inline(cell, in_table=True) for cell in row] for row in table.rows]
    return "\n".join(_row(cells) for cells in [heads, rule, *rows])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _inline(sentence: Sentence, *, in_table: bool = False) -> str:
    text = "".join(_part(part, in_table=in_table) for part in parts(sentence))
    return text if in_table else _BLOCK.sub(r"\1\\\2", text.lstrip())


def _part(part: Inline, *, in_table: bool) -> str:
    text = inline_text(part)
    match part:
        case Code():
            return code(text, in_table=in_table)
        case Guide():
            return text.replace(" ", "&nbsp;")
        case str() | Alarm():
            return escaped(text)
        case _:
            return text


def escaped(text: str) -> str:
    r"""Returns text with everything that markdown would obey escaped.

    >>> print(escaped("2 * x_y < [z](w) | `v`"))
    2 \* x_y \< \[z\](w) \| \`v\`
    """
    return _MARKUP.sub(lambda found: f"\\{found[0]}", text)


def code(text: str, *, in_table: bool = False) -> str:
    r"""Returns text as a code span, with a fence longer than any run of backticks in it.

    >>> print(code("a`b"), code("`"), code("x|y", in_table=True))
    ``a`b`` `` ` `` `x\|y`
    """
    if not text:
        return ""
    if in_table and "\\|" in text:
        return escaped(text)  # parsers do not agree on where a cell ends that has this in a code span
    fence = "`" * (max(map(len, re.findall("`+", text))) + 1) if "`" in text else "`"
    edges = text[0] + text[-1]
    pad = " " if "`" in edges or (edges == "  " and text.strip()) else ""
    if in_table:
        text = text.replace("|", "\\|")
    return f"{fence}{pad}{text}{pad}{fence}"
