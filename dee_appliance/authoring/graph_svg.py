"""The picture of a plan as one SVG file that needs nothing else: no script, no font, no style sheet, no link.

Every kind of step has its own outline; colours are neutral and follow the reader's light or dark setting. All text of the plan is
escaped. The same plan always gives the same bytes.
"""

from __future__ import annotations

import textwrap
import unicodedata
from html import escape
from itertools import pairwise

import msgspec

from dee_appliance.authoring.graph import Box, Graph
from dee_appliance.authoring.graph_layout import Layout, Link, Placed, Road, Size, laid_out

MARGIN = 28
_LINE_PX = 16
_LABEL_CHARS = 30
_LABEL_LINES = 3
_STYLE = """
svg{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;font-size:13px}
.canvas{fill:#ffffff}.shape{fill:#f4f6f8;stroke:#55606e;stroke-width:1.3}.wait{fill:#fbf7ea}.branch,.split{fill:#eef3fb}
.task{fill:#f6effa}.end{fill:#e6f2ea}.mark{fill:none;stroke:#55606e;stroke-width:1}
.id{font-weight:600;fill:#1b2430}.detail,.label,.exit{fill:#4a5563;font-size:12px}.title{font-size:16px;font-weight:600;fill:#1b2430}
.arrow{fill:none;stroke:#7b8694;stroke-width:1.3}.back{stroke-dasharray:5 4}.tip{fill:#7b8694}.chip{fill:#ffffff}
.stub{fill:#ffffff;stroke:#7b8694;stroke-width:1}
@media (prefers-color-scheme:dark){
.canvas,.chip,.stub{fill:#161b22}.shape{fill:#222a34;stroke:#9aa6b4}.wait{fill:#2e2a1d}.branch,.split{fill:#1f2a3c}
.task{fill:#2c2333}.end{fill:#1e3126}.mark{stroke:#9aa6b4}.id,.title{fill:#e8edf3}.detail,.label,.exit{fill:#b3bdc9}
.arrow,.stub{stroke:#7f8b99}.tip{fill:#7f8b99}}
"""


_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path class="tip" d="M0 0.8L8 4L0 7.2z"/></marker></defs>'
)


class Words(msgspec.Struct, frozen=True):
    """The lines of an arrow's label as drawn, and its whole text for the tooltip."""

    lines: tuple[str, ...]
    whole: str


class _Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A picture with everything placed."""

    graph: Graph
    layout: Layout
    words: tuple[Words, ...]
    stubs: tuple[Words, ...]
    links: tuple[Link, ...]


def svg(graph: Graph) -> str:
    """Return the picture as a complete SVG document."""
    drawing = _drawing(graph)
    foot = _foot(graph)
    widths = [_text_px(graph.title, 16), *(_text_px(line, 12) for line in foot), drawing.layout.width]
    width = max(widths) + 2 * MARGIN
    top = MARGIN + 40
    foot_top = top + drawing.layout.height + 44
    height = foot_top + len(foot) * 20 + MARGIN - 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{_escaped(graph.title)}</title>",
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect class="canvas" width="{width}" height="{height}"/>',
        f'<text class="title" x="{MARGIN}" y="{MARGIN + 14}">{_escaped(graph.title)}</text>',
        f'<g transform="translate({(width - drawing.layout.width) // 2} {top})">',
        *_roads(drawing),
        *(_box(box, place) for box, place in zip(graph.boxes, drawing.layout.boxes, strict=True)),
        "</g>",
        *(
            f'<text class="exit" x="{MARGIN}" y="{foot_top + 20 * row}">{_escaped(line)}</text>'
            for row, line in enumerate(foot)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _drawing(graph: Graph) -> _Drawing:
    numbers = {box.id: index for index, box in enumerate(graph.boxes)}
    words = tuple(_words(arrow.labels) for arrow in graph.arrows)
    stubs = tuple(
        Words((*text.lines, f"→ {_short(arrow.target)}"), f"{text.whole} → {arrow.target}".strip())
        for arrow, text in zip(graph.arrows, words, strict=True)
    )
    links = tuple(
        Link(
            source=numbers[arrow.source],
            target=numbers[arrow.target],
            label=_words_size(text) if text.lines else None,
            stub=_words_size(stub),
        )
        for arrow, text, stub in zip(graph.arrows, words, stubs, strict=True)
    )
    layout = laid_out([_box_size(box) for box in graph.boxes], links)
    return _Drawing(graph=graph, layout=layout, words=words, stubs=stubs, links=links)


def _foot(graph: Graph) -> list[str]:
    if not graph.exits:
        return []
    lines = [f"{_short(when, 110)}  →  {outcome}" for when, outcome in graph.exits]
    return ["Exits, looked at before every step and on every input about the contact:", *lines]


# ---- boxes ---------------------------------------------------------------------------------------------------


def _box_size(box: Box) -> Size:
    width = max(_text_px(_short(box.id), 13), _text_px(_short(box.detail), 12))
    slanted = {"branch": 110, "wait": 52, "split": 64, "task": 56, "call": 48, "end": 52}
    height = {"branch": 64, "send_email": 52}.get(box.kind, 48)
    return Size(max(110, width + slanted.get(box.kind, 36)), height)


def _box(box: Box, place: Placed) -> str:
    detail = "" if box.kind == "branch" else _short(box.detail)
    y = place.y + (5 if not detail else 1 if box.kind == "send_email" else -3)
    texts = [f'<text class="id" x="{place.x}" y="{y}" text-anchor="middle">{_escaped(_short(box.id))}</text>']
    if detail:
        texts.append(f'<text class="detail" x="{place.x}" y="{y + 16}" text-anchor="middle">{_escaped(detail)}</text>')
    title = f"<title>{_escaped(f'{box.id}: {box.detail}')}</title>"
    return f"<g>{title}{_outline(box.kind, place)}{''.join(texts)}</g>"


def _outline(kind: str, place: Placed) -> str:
    """Return the outline of a kind of step: the shape says what the step does before anything is read."""
    half_w, half_h = place.size.width // 2, place.size.height // 2
    left, right, top, bottom = place.x - half_w, place.x + half_w, place.y - half_h, place.y + half_h
    match kind:
        case "send_email":
            flap = f'<path class="mark" d="M{left + 1} {top + 1}L{place.x} {top + 9}L{right - 1} {top + 1}"/>'
            return _rectangle(kind, left, top, place.size, 3) + flap
        case "send_sms":
            tail = f"M{left + 18} {bottom}l-8 9v-9"
            return _rectangle(kind, left, top, place.size, 12) + f'<path class="shape {kind}" d="{tail}"/>'
        case "call":
            return _rectangle(kind, left, top, place.size, half_h)
        case "wait":
            points = [(left + 14, top), (right - 14, top), (right, place.y), (right - 14, bottom), (left + 14, bottom)]
            return _polygon(kind, [*points, (left, place.y)])
        case "branch":
            return _polygon(kind, [(place.x, top), (right, place.y), (place.x, bottom), (left, place.y)])
        case "split":
            return _polygon(kind, [(left + 22, top), (right - 22, top), (right, bottom), (left, bottom)])
        case "task":
            return _polygon(kind, [(left + 16, top), (right, top), (right - 16, bottom), (left, bottom)])
        case _:
            ring = _rectangle("", left + 4, top + 4, Size(place.size.width - 8, place.size.height - 8), half_h - 4)
            return _rectangle("end", left, top, place.size, half_h) + ring.replace('class="shape "', 'class="mark"')


def _rectangle(kind: str, left: int, top: int, size: Size, radius: int) -> str:
    return (
        f'<rect class="shape {kind}" x="{left}" y="{top}" width="{size.width}" height="{size.height}" rx="{radius}"/>'
    )


def _polygon(kind: str, points: list[tuple[int, int]]) -> str:
    return f'<polygon class="shape {kind}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'


# ---- roads ---------------------------------------------------------------------------------------------------


def _roads(drawing: _Drawing) -> list[str]:
    """Draw every arrow, then every label: no line runs over a word."""
    ports = _ports(drawing)
    lines: list[str] = []
    labels: list[str] = []
    for number, road in enumerate(drawing.layout.roads):
        points = [ports[number, "out"], *_through(road)]
        if road.cut and road.label is not None:
            points[-1] = (road.label.x, road.label.top)
            labels.append(_chip("stub", road.label, drawing.stubs[number]))
        else:
            points.append(ports[number, "in"])
            if road.label is not None:
                labels.append(_chip("chip", road.label, drawing.words[number]))
        tip = "" if road.cut else ' marker-end="url(#tip)"'
        style = "arrow back" if road.upwards else "arrow"
        lines.append(f'<path class="{style}" d="{_curve(points)}"{tip}/>')
    return [*lines, *labels]


def _through(road: Road) -> list[tuple[int, int]]:
    """Return the points of a road between its ports; it passes its words from edge to edge, straight."""
    points: list[tuple[int, int]] = []
    for bend in road.bends:
        edges = [(bend.x, bend.top), (bend.x, bend.bottom)] if bend.size.height else [(bend.x, bend.y)]
        points += edges[::-1] if road.upwards else edges
        if road.cut:
            return points[:1]
    return points


def _curve(points: list[tuple[int, int]]) -> str:
    """Return a smooth path that leaves and arrives vertically and never swings beyond its points (a monotone cubic spline)."""
    steps = [(x1 - x0) / ((y1 - y0) or 1) for (x0, y0), (x1, y1) in pairwise(points)]
    slopes = [0.0, *(_slope(before, after) for before, after in pairwise(steps)), 0.0]
    pieces = [f"M{points[0][0]} {points[0][1]}"]
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(points)):
        third = (y1 - y0) / 3
        first = f"{round(x0 + slopes[number] * third)} {round(y0 + third)}"
        second = f"{round(x1 - slopes[number + 1] * third)} {round(y1 - third)}"
        pieces.append(f"C{first} {second} {x1} {y1}")
    return "".join(pieces)


def _slope(before: float, after: float) -> float:
    if before * after <= 0:
        return 0.0
    mean = (before + after) / 2
    limit = 3 * min(abs(before), abs(after))
    return max(-limit, min(limit, mean))


def _ports(drawing: _Drawing) -> dict[tuple[int, str], tuple[int, int]]:
    """Spread the ends of arrows along the edges of the boxes, in the order in which they come from left to right."""
    wishes: dict[tuple[int, bool], list[tuple[int, int, str]]] = {}
    boxes = drawing.layout.boxes
    for number, (link, road) in enumerate(zip(drawing.links, drawing.layout.roads, strict=True)):
        near_source = road.bends[0].x if road.bends else boxes[link.target].x
        near_target = road.bends[-1].x if road.bends else boxes[link.source].x
        wishes.setdefault((link.source, not road.upwards), []).append((near_source, number, "out"))
        if not road.cut:
            wishes.setdefault((link.target, road.upwards), []).append((near_target, number, "in"))
    ports: dict[tuple[int, str], tuple[int, int]] = {}
    for (index, at_bottom), ends in wishes.items():
        place, kind = boxes[index], drawing.graph.boxes[index].kind
        room = place.size.width // 2 - (70 if kind == "branch" else 40)
        step = min(26, 2 * room // max(1, len(ends) - 1))
        for position, (_, number, end) in enumerate(sorted(ends)):
            shift = step * position - step * (len(ends) - 1) // 2
            ports[number, end] = (place.x + shift, _edge_y(kind, place, shift, at_bottom=at_bottom))
    return ports


def _edge_y(kind: str, place: Placed, shift: int, *, at_bottom: bool) -> int:
    """Return the y of the outline `shift` beside the centre: only the diamond is not flat there."""
    slope = abs(shift) * place.size.height // place.size.width if kind == "branch" else 0
    return place.bottom - slope if at_bottom else place.top + slope


# ---- words ---------------------------------------------------------------------------------------------------


def _words(labels: tuple[str, ...]) -> Words:
    whole = ", ".join(labels)
    lines = textwrap.wrap(_plain(whole), _LABEL_CHARS, break_long_words=True)
    if len(lines) > _LABEL_LINES:
        lines = [*lines[: _LABEL_LINES - 1], f"{lines[_LABEL_LINES - 1][: _LABEL_CHARS - 1]}…"]
    return Words(tuple(lines), whole)


def _words_size(words: Words) -> Size:
    return Size(max(_text_px(line, 12) for line in words.lines) + 12, len(words.lines) * _LINE_PX + 4)


def _chip(kind: str, place: Placed, words: Words) -> str:
    left, top = place.x - place.size.width // 2, place.top
    rectangle = (
        f'<rect class="{kind}" x="{left}" y="{top}" width="{place.size.width}" height="{place.size.height}" rx="4"/>'
    )
    texts = "".join(
        f'<text class="label" x="{place.x}" y="{top + 14 + _LINE_PX * row}" text-anchor="middle">{_escaped(line)}</text>'
        for row, line in enumerate(words.lines)
    )
    return f"<g><title>{_escaped(words.whole)}</title>{rectangle}{texts}</g>"


def _short(text: str, most: int = 42) -> str:
    text = _plain(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _plain(text: str) -> str:
    """Return a text without what no font prints and what XML does not allow."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def _escaped(text: str) -> str:
    return escape(_plain(text))


def _text_px(text: str, font_px: int) -> int:
    """Estimate the width of a text: six tenths of the height for each character, twice that for wide scripts."""
    wide = sum(unicodedata.east_asian_width(mark) in "WF" for mark in text)
    return (len(text) + wide) * font_px * 6 // 10
