"""Where the boxes of a picture stand: layers from top to bottom, few crossings, straight long arrows.

The method is that of Sugiyama, Tagawa and Toda (1981) in its simplest form: turn the arrows that close a cycle, put every box
below those that lead to it, cut long arrows into pieces of one layer, order each layer by the mean place of its neighbours, and
then move everything as close to its neighbours as the order allows. Words on an arrow take part as small boxes of their own, so
they never lie on anything. The same input always gives the same picture.

Nothing here knows about plans; a box is a size.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

import msgspec

GAP_X = 28
GAP_Y = 24
LONG_LAYERS = 12
"""An arrow over more layers than this is drawn as a stub that names its target."""

_SWEEPS = 16
_WORK = 40_000
"""Items times sweeps: a picture of many hundred steps gets fewer sweeps, so that it is drawn in seconds, too."""

_STRAIGHT_WEIGHT = 16


class Size(msgspec.Struct, frozen=True):
    """Width and height in pixels."""

    width: int
    height: int


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An arrow between two boxes; `label` is the size of its words, `stub` that of its words and its target's name together."""

    source: int
    target: int
    label: Size | None
    stub: Size


class Placed(msgspec.Struct, frozen=True):
    """The centre and size of something."""

    x: int
    y: int
    size: Size

    @property
    def top(self) -> int:
        """Return the y of its upper edge."""
        return self.y - self.size.height // 2

    @property
    def bottom(self) -> int:
        """Return the y of its lower edge."""
        return self.top + self.size.height


class Road(msgspec.Struct, frozen=True, kw_only=True):
    """The way of one link: the points between its boxes from source to target, and where its words stand, if it has any.

    `upwards`: it leads to a box above. `cut`: it ends at its words, which name the target.
    """

    bends: tuple[Placed, ...]
    label: Placed | None
    upwards: bool
    cut: bool


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Places of boxes and roads of links, in the order in which they were given, and the size of all."""

    boxes: tuple[Placed, ...]
    roads: tuple[Road, ...]
    width: int
    height: int


def laid_out(boxes: Sequence[Size], links: Sequence[Link]) -> Layout:
    """Place boxes and links; a link from a box to itself is drawn as a stub."""
    grid = _Grid(boxes, links, _layers(len(boxes), links))
    grid.sort_rows()
    return grid.layout()


def _layers(count: int, links: Sequence[Link]) -> list[int]:
    """Return the layer of each box: one below the lowest box that leads to it, arrows that close a cycle not counted."""
    forward: list[list[int]] = [[] for _ in range(count)]
    for link in links:
        if link.source != link.target and link.target not in forward[link.source]:
            forward[link.source].append(link.target)
    order = _depth_first(forward)
    place = {box: position for position, box in enumerate(order)}
    layers = [0] * count
    for box in order:
        for target in forward[box]:
            if place[target] > place[box]:
                layers[target] = max(layers[target], layers[box] + 1)
    return layers


def _depth_first(forward: Sequence[Sequence[int]]) -> list[int]:
    """Return the boxes so that every arrow that closes no cycle leads forwards (reverse order of completion)."""
    seen = [False] * len(forward)
    finished: list[int] = []
    for root in range(len(forward)):
        stack = [(root, 0)]
        while stack:
            box, next_child = stack.pop()
            if next_child == 0 and seen[box]:
                continue
            seen[box] = True
            # The last named target first: the first named one then comes first in the result.
            children = forward[box][::-1]
            while next_child < len(children) and seen[children[next_child]]:
                next_child += 1
            if next_child < len(children):
                stack += [(box, next_child + 1), (children[next_child], 0)]
            else:
                finished.append(box)
    return finished[::-1]


class _Item(msgspec.Struct, kw_only=True):
    """A box, the words of a link or a bend of it. Boxes have even ranks, words odd ones."""

    rank: int
    size: Size
    is_box: bool
    x: float = 0.0
    y: int = 0
    above: list[int] = []
    below: list[int] = []


class _Grid:
    def __init__(self, boxes: Sequence[Size], links: Sequence[Link], layers: Sequence[int]) -> None:
        self._items = [_Item(rank=2 * layers[index], size=size, is_box=True) for index, size in enumerate(boxes)]
        self._links = links
        self._count = len(boxes)
        self._chains = [self._chain(link, layers) for link in links]
        self._rows: list[list[int]] = [[] for _ in range(1 + max((item.rank for item in self._items), default=0))]
        for index, item in enumerate(self._items):
            self._rows[item.rank].append(index)
        self._sweeps = max(2, min(_SWEEPS, _WORK // max(1, len(self._items))))

    def _chain(self, link: Link, layers: Sequence[int]) -> list[int]:
        """Add the items of a link and return them from top to bottom, its boxes included (only its source if it is cut)."""
        first, last = layers[link.source], layers[link.target]
        if self._is_cut(link, layers):
            stub = self._add(2 * first + 1, link.stub)
            self._join(link.source, stub)
            return [link.source, stub]
        top, bottom = (link.source, link.target) if first < last else (link.target, link.source)
        # The words stand next to the source, where the choice is made.
        label_rank = 2 * first + 1 if first < last else 2 * first - 1
        chain = [top]
        for rank in range(2 * min(first, last) + 1, 2 * max(first, last)):
            size = link.label if rank == label_rank and link.label is not None else Size(10, 0)
            chain.append(self._add(rank, size))
        chain.append(bottom)
        for upper, lower in pairwise(chain):
            self._join(upper, lower)
        return chain

    def _is_cut(self, link: Link, layers: Sequence[int]) -> bool:
        return link.source == link.target or abs(layers[link.source] - layers[link.target]) > LONG_LAYERS

    def _add(self, rank: int, size: Size) -> int:
        self._items.append(_Item(rank=rank, size=size, is_box=False))
        return len(self._items) - 1

    def _join(self, upper: int, lower: int) -> None:
        self._items[upper].below.append(lower)
        self._items[lower].above.append(upper)

    # ---- order within the rows ------------------------------------------------------------------------------------------------

    def sort_rows(self) -> None:
        """Order every row by the mean place of its neighbours, down and up again, and keep the order with fewest crossings."""
        best, fewest = [list(row) for row in self._rows], self._crossings()
        for sweep in range(self._sweeps):
            downwards = sweep % 2 == 0
            rows = self._rows[1:] if downwards else self._rows[-2::-1]
            for row in rows:
                self._sort_row(row, downwards=downwards, last_first=sweep % 4 >= 2)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self._rows], crossings
        self._rows = best

    def _sort_row(self, row: list[int], *, downwards: bool, last_first: bool) -> None:
        """Sort one row; of items with the same mean the last comes first if `last_first`, which frees stuck orders."""
        places = self._places()
        means: dict[int, tuple[float, int]] = {}
        for place, index in enumerate(row):
            item = self._items[index]
            neighbours = item.above if downwards else item.below
            mean = _mean([places[other] for other in neighbours], place)
            means[index] = (mean, -place if last_first else place)
        row.sort(key=lambda index: means[index])

    def _places(self) -> dict[int, int]:
        return {index: place for row in self._rows for place, index in enumerate(row)}

    def _crossings(self) -> int:
        places = self._places()
        total = 0
        for row in self._rows:
            passed: list[int] = []
            for index in row:
                lower = sorted(places[other] for other in self._items[index].below)
                total += sum(len(passed) - bisect_right(passed, place) for place in lower)
                for place in lower:
                    insort(passed, place)
        return total

    # ---- places ---------------------------------------------------------------------------------------------------------------

    def layout(self) -> Layout:
        """Give every item its place and return the result."""
        self._set_heights()
        for row in self._rows:
            self._spread(row, [0.0] * len(row), [1.0] * len(row))
        for sweep in range(self._sweeps * 4):
            for row in self._rows if sweep % 2 == 0 else self._rows[::-1]:
                self._pull(row, both=sweep >= self._sweeps * 2, downwards=sweep % 2 == 0)
        left = min((item.x - item.size.width / 2 for item in self._items), default=0.0)
        placed = [Placed(round(item.x - left), item.y, item.size) for item in self._items]
        return Layout(
            boxes=tuple(placed[: self._count]),
            roads=tuple(self._road(link, chain, placed) for link, chain in zip(self._links, self._chains, strict=True)),
            width=max((place.x + place.size.width // 2 for place in placed), default=0),
            height=max((place.bottom for place in placed), default=0),
        )

    def _set_heights(self) -> None:
        y = 0
        for row in self._rows:
            height = max((self._items[index].size.height for index in row), default=0)
            for index in row:
                self._items[index].y = y + height // 2
            y += height + GAP_Y

    def _pull(self, row: list[int], *, both: bool, downwards: bool) -> None:
        """Move a row towards its neighbours above, below, or both."""
        desired: list[float] = []
        weights: list[float] = []
        for index in row:
            item = self._items[index]
            neighbours = [*item.above, *item.below] if both else item.above if downwards else item.below
            shares = [1 if item.is_box or self._items[other].is_box else _STRAIGHT_WEIGHT for other in neighbours]
            weight = sum(shares)
            pulled = sum(share * self._items[other].x for share, other in zip(shares, neighbours, strict=True))
            desired.append(pulled / weight if weight else item.x)
            weights.append(float(weight or 1))
        self._spread(row, desired, weights)

    def _spread(self, row: list[int], desired: list[float], weights: list[float]) -> None:
        """Put the row's items as near to `desired` as order and widths allow (least squares: pool adjacent violators)."""
        offsets, offset = [], 0.0
        for place, index in enumerate(row):
            if place:
                offset += (self._items[row[place - 1]].size.width + self._items[index].size.width) / 2 + GAP_X
            offsets.append(offset)
        blocks: list[tuple[float, float, int]] = []  # mean, weight, number of items
        for want, weight, at in zip(desired, weights, offsets, strict=True):
            block = (want - at, weight, 1)
            while blocks and blocks[-1][0] > block[0]:
                mean, heavy, count = blocks.pop()
                block = ((mean * heavy + block[0] * block[1]) / (heavy + block[1]), heavy + block[1], count + block[2])
            blocks.append(block)
        means = [mean for mean, _, count in blocks for _ in range(count)]
        for index, mean, at in zip(row, means, offsets, strict=True):
            self._items[index].x = mean + at

    def _road(self, link: Link, chain: list[int], placed: list[Placed]) -> Road:
        upwards = chain[0] != link.source
        inner = [placed[index] for index in chain[1:] if index >= self._count]
        if upwards:
            inner.reverse()
        cut = len(chain) == 2 and chain[1] >= self._count
        label = inner[0] if inner and (cut or link.label is not None) else None
        return Road(bends=tuple(inner), label=label, upwards=upwards, cut=cut)


def _mean(values: Sequence[int], otherwise: int) -> float:
    return sum(values) / len(values) if values else otherwise
