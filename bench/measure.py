"""What every measured program (a "side") shares: the stopwatch, and the one JSON line it prints.

Lives here: `Stopwatch`, `Figures`, `parse_size`. Running sides and comparing them is `harness`; which sides there are is `speed`.

Rules a change must keep:
- Standard library only: a peer runs in an environment where DEE's own dependencies may be missing.
- CPU seconds count every thread of the process and every child it has waited for, in user and system mode.
- Set-up and warming up stay outside the stopwatch; commits stay inside.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import sys
import time
from types import TracebackType
from typing import Final, Self

_MAXRSS_UNITS_PER_MB: Final = 1024 * 1024 if sys.platform == "darwin" else 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What one side reports: `n` units of work took `wall_s` seconds and `cpu_s` CPU seconds; at most `rss_mb` MiB resident."""

    name: str
    n: int
    wall_s: float
    cpu_s: float
    rss_mb: float

    def __post_init__(self) -> None:
        if self.n < 1 or self.wall_s <= 0 or self.cpu_s <= 0:
            raise ValueError(f"{self.name} measured nothing: n={self.n}, wall_s={self.wall_s}, cpu_s={self.cpu_s}")

    def print(self) -> None:
        """The line the harness reads, the last one on standard output."""
        print(json.dumps(dataclasses.asdict(self)), flush=True)


class Stopwatch:
    """Measures a `with` block. Reading it before the block has ended is a mistake of the caller."""

    wall_s: float
    cpu_s: float

    def __enter__(self) -> Self:
        self._wall_s, self._cpu_s = time.perf_counter(), _cpu_s()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall_s = time.perf_counter() - self._wall_s
        self.cpu_s = _cpu_s() - self._cpu_s

    def figures(self, name: str, n: int) -> Figures:
        """The finished measurement of `n` units."""
        return Figures(name=name, n=n, wall_s=self.wall_s, cpu_s=self.cpu_s, rss_mb=_peak_rss_mb())


def parse_size(arguments: argparse.ArgumentParser, *, unit: str, default: int) -> None:
    """Give a side its `--n`."""
    arguments.add_argument("--n", type=int, default=default, help=f"how many {unit}s to measure (default {default})")


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_rss_mb() -> float:
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak / _MAXRSS_UNITS_PER_MB
