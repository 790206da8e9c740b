"""Markdown, CSV and PDF of the same blocks. Equal reports give equal bytes: nothing here asks for the time."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from dee_appliance.cli.output import clean
from dee_appliance.cli.pdf import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dee_appliance.cli.report_blocks import Block

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula when a cell begins with it."""
SPECIAL = str.maketrans({one: f"\\{one}" for one in "\\`*[<|"})


# ---- Markdown ----


def markdown(title: str, blocks: Iterable[Block]) -> bytes:
    """Return the document as Markdown with tables."""
    return ("\n".join(_markdown(title, blocks)) + "\n").encode()


def _markdown(title: str, blocks: Iterable[Block]) -> Iterator[str]:
    yield f"# {_md(title)}"
    for block in blocks:
        yield ""
        yield f"## {_md(block.title)}"
        for text in block.text:
            yield ""
            yield _md(text)
        if block.rows:
            yield ""
            yield _row(block.heads)
            yield _row("--:" if column in block.right else "---" for column in range(len(block.heads)))
            yield from (_row(_md(cell) for cell in row) for row in block.rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md(text: str) -> str:
    return clean(text).translate(SPECIAL)


# ---- CSV ----


def csv_text(title: str, blocks: Iterable[Block]) -> bytes:
    """Return one CSV with every table; the first column names it, the first row of each table has its heads.

    `grep ^sends,` gives one table with its heads.
    """
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\r\n").writerow
    write(("report", _plain(title)))
    for block in blocks:
        for text in block.text:
            write((f"{block.name}.note", _plain(text)))
        if block.heads:
            write((block.name, *block.heads))
        for row in block.rows:
            write((block.name, *(_plain(cell) for cell in row)))
    return out.getvalue().encode()


def _plain(cell: str) -> str:
    """A cell that a spreadsheet does not execute: an apostrophe stands before what could be a formula."""
    text = clean(cell)
    is_number = text.lstrip("-").replace(".", "", 1).isdecimal()
    return f"'{text}" if text.startswith(FORMULA) and not is_number else text


# ---- PDF ----


def pdf(title: str, blocks: Iterable[Block]) -> bytes:
    """Return the document as PDF, A4."""
    page = Page(title)
    page.heading(title, 15)
    for block in blocks:
        page.heading(block.title, 11)
        for text in block.text:
            page.paragraph(clean(text))
        if block.rows:
            page.table(block.heads, [tuple(clean(cell) for cell in row) for row in block.rows], block.right)
    return page.document()
