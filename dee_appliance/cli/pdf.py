"""A small PDF writer for text and tables: A4 across, the standard fonts Helvetica and Helvetica Bold, nothing else.

It writes PDF 1.4 (ISO 32000-1) with text in the encoding that PDF calls WinAnsi; a character that it does not have is written as
its code. Streams are not compressed, for compressors differ from version to version: equal pages give equal bytes anywhere.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 842, 595
MARGIN = 40
TEXT_SIZE, CELL_SIZE = 9, 8
PADDING = 3
LEAST_COLUMN = 24


def _widths(table: str) -> tuple[int, ...]:
    return tuple(int(one) for one in table.split())


# Widths of the characters 32 to 255 in thousandths of the size, from Adobe's font metrics (AFM) of the standard fonts.
REGULAR = _widths(
    """
    278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278
    556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556
    1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778
    667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556
    333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556
    556 556 333 500 278 556 500 722 500 500 500 334 260 334 584 350
    556 350 222 556 333 1000 556 556 333 1000 667 333 1000 350 611 350
    350 222 222 333 333 350 556 1000 333 1000 500 333 944 350 500 667
    278 333 556 556 556 556 260 556 333 737 370 556 584 333 737 333
    400 584 333 333 333 556 537 278 333 333 365 556 834 834 834 611
    667 667 667 667 667 667 1000 722 667 667 667 667 278 278 278 278
    722 722 778 778 778 778 778 584 778 722 722 722 722 667 667 611
    556 556 556 556 556 556 889 500 556 556 556 556 278 278 278 278
    556 556 556 556 556 556 556 584 611 556 556 556 556 500 556 500
    """
)
BOLD = _widths(
    """
    278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278
    556 556 556 556 556 556 556 556 556 556 333 333 584 584 584 611
    975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778
    667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556
    333 556 611 556 611 556 333 611 611 278 278 556 278 889 611 611
    611 611 389 556 333 611 556 778 556 556 500 389 280 389 584 350
    556 350 278 556 500 1000 556 556 333 1000 667 333 1000 350 611 350
    350 278 278 500 500 350 556 1000 333 1000 556 333 944 350 500 667
    278 333 556 556 556 556 280 556 333 737 370 556 584 333 737 333
    400 584 333 333 333 611 556 278 333 333 365 556 834 834 834 611
    722 722 722 722 722 722 1000 722 667 667 667 667 278 278 278 278
    722 722 778 778 778 778 778 584 778 722 722 722 722 667 667 611
    556 556 556 556 556 556 889 556 556 556 556 556 278 278 278 278
    611 611 611 611 611 611 611 584 611 611 611 611 611 556 611 556
    """
)


def encode(text: str) -> bytes:
    """Return a text in WinAnsi; what it does not have stands as \\uXXXX."""
    return text.encode("cp1252", "backslashreplace")


def width_of(text: bytes, size: int, *, bold: bool = False) -> int:
    """Return the width of an encoded text in thousandths of a point."""
    table = BOLD if bold else REGULAR
    return sum(table[one - 32] if one >= 32 else 0 for one in text) * size


def wrapped(text: bytes, size: int, most: int, *, bold: bool = False) -> list[bytes]:
    """Break a text into lines of at most `most` thousandths of a point: between words, or inside one that is too long."""
    lines: list[bytes] = []
    line = b""
    for word in text.split(b" "):
        longer = line + b" " + word if line else word
        if width_of(longer, size, bold=bold) <= most:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while width_of(line, size, bold=bold) > most and len(line) > 1:
            fits = len(line) - 1
            while fits > 1 and width_of(line[:fits], size, bold=bold) > most:
                fits -= 1
            lines.append(line[:fits])
            line = line[fits:]
    lines.append(line)
    return lines


class Page:
    """A document in the making: what is added goes below what is there, on a new page when it does not fit."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._pages: list[list[bytes]] = []
        self._y = 0
        self._turn()

    # ---- content ----

    def heading(self, text: str, size: int) -> None:
        """Add a heading, with room for some lines below it on the same page."""
        self._need(size * 6)
        self._y -= size
        for line in wrapped(encode(text), size, (WIDTH - 2 * MARGIN) * 1000, bold=True):
            self._y -= size + 2
            self._text(MARGIN, line, size, bold=True)
        self._y -= 4

    def paragraph(self, text: str) -> None:
        """Add a text as wide as the page."""
        for line in wrapped(encode(text), TEXT_SIZE, (WIDTH - 2 * MARGIN) * 1000):
            self._need(TEXT_SIZE + 3)
            self._y -= TEXT_SIZE + 3
            self._text(MARGIN, line, TEXT_SIZE)
        self._y -= 3

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
        """Add a table; its heads stand again on each page. `right` are the columns of numbers."""
        head = [encode(one) for one in heads]
        body = [[encode(one) for one in row] for row in rows]
        columns = _columns(head, body)
        self._row(head, columns, right, bold=True, again=None)
        for row in body:
            self._row(row, columns, right, bold=False, again=head)
        self._y -= 6

    def _row(
        self, cells: list[bytes], columns: list[int], right: Sequence[int], *, bold: bool, again: list[bytes] | None
    ) -> None:
        texts = [
            wrapped(cell, CELL_SIZE, (width - 2 * PADDING) * 1000, bold=bold)
            for cell, width in zip(cells, columns, strict=True)
        ]
        left = max(len(lines) for lines in texts)
        done = 0
        while done < left:
            # A row that is longer than a page goes on on the next one.
            most = max((self._y - MARGIN - 4) // (CELL_SIZE + 2), 0)
            if most < min(left - done, 3):
                self._turn()
                if again is not None:
                    self._row(again, columns, right, bold=True, again=None)
                continue
            part = [lines[done : done + most] for lines in texts]
            self._lines(part, columns, right, bold=bold)
            done += most

    def _lines(self, texts: list[list[bytes]], columns: list[int], right: Sequence[int], *, bold: bool) -> None:
        top = self._y
        x = MARGIN
        for column, (lines, width) in enumerate(zip(texts, columns, strict=True)):
            for number, line in enumerate(lines):
                indent = PADDING * 1000
                if column in right:
                    indent = width * 1000 - PADDING * 1000 - width_of(line, CELL_SIZE, bold=bold)
                self._y = top - (number + 1) * (CELL_SIZE + 2)
                self._text(x, line, CELL_SIZE, bold=bold, indent=indent)
            x += width
        self._y = top - max(len(lines) for lines in texts) * (CELL_SIZE + 2) - 3
        self._draw(b"0.5 w 0.7 G %d %d m %d %d l S" % (MARGIN, self._y, x, self._y))

    def _text(self, x: int, text: bytes, size: int, *, bold: bool = False, indent: int = 0) -> None:
        escaped = text.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        left = x * 1000 + indent
        place = b"%d.%03d %d Td" % (left // 1000, left % 1000, self._y)
        self._draw(b"BT /%s %d Tf %s (%s) Tj ET" % (b"B" if bold else b"R", size, place, escaped))

    def _draw(self, operators: bytes) -> None:
        self._pages[-1].append(operators)

    def _need(self, points: int) -> None:
        if self._y - points < MARGIN:
            self._turn()

    def _turn(self) -> None:
        self._pages.append([])
        self._y = HEIGHT - MARGIN

    # ---- the file ----

    def document(self) -> bytes:
        """Return the file, with a title and page numbers at the foot of each page."""
        count = len(self._pages)
        kids = b" ".join(b"%d 0 R" % (6 + 2 * number) for number in range(count))
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
            b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, kids),
            _font(b"Helvetica"),
            _font(b"Helvetica-Bold"),
            b"<< /Title %s /Producer (DEE) >>" % _string(encode(self._title)),
        ]
        for number, page in enumerate(self._pages):
            stream = b"\n".join([*page, self._foot(number + 1, count)])
            objects.append(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R"
                b" /Resources << /Font << /R 3 0 R /B 4 0 R >> >> >>" % (WIDTH, HEIGHT, 7 + 2 * number)
            )
            objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        return _file(objects)

    def _foot(self, number: int, count: int) -> bytes:
        texts = ((MARGIN, encode(self._title)), (WIDTH - MARGIN - 60, b"page %d of %d" % (number, count)))
        return b"\n".join(b"BT /R 7 Tf %d 20 Td %s Tj ET" % (x, _string(text)) for x, text in texts)


def _font(name: bytes) -> bytes:
    return b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name


def _string(text: bytes) -> bytes:
    return b"<%s>" % text.hex().encode()


def _file(objects: list[bytes]) -> bytes:
    """Objects, numbered from 1, with the table that says where each begins."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places: list[int] = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    name = hashlib.sha256(out).hexdigest()[:32].encode()
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R /ID [<%s> <%s>] >>\n" % (len(objects) + 1, name, name)
    out += b"startxref\n%d\n%%%%EOF\n" % start
    return bytes(out)


def _columns(head: list[bytes], body: list[list[bytes]]) -> list[int]:
    """As wide as their longest cell, together as wide as the page: the widest give way first."""
    room = WIDTH - 2 * MARGIN
    wanted = [
        max([width_of(head[column], CELL_SIZE, bold=True), *(width_of(row[column], CELL_SIZE) for row in body)]) // 1000
        + 2 * PADDING
        + 1
        for column in range(len(head))
    ]
    while sum(wanted) > room:
        widest = max(range(len(wanted)), key=lambda column: (wanted[column], -column))
        others = sorted(wanted)[-2] if len(wanted) > 1 else 0
        less = max(min(sum(wanted) - room, wanted[widest] - others), 1)
        wanted[widest] = max(wanted[widest] - less, LEAST_COLUMN)
        if all(one <= LEAST_COLUMN for one in wanted):
            break
    return wanted
