"""Runs sides in interleaved rounds and compares them: medians, ratios within a round with their range, Markdown.

Lives here: what a side, a comparison and a limit are; running them; the tables. Which ones there are is `speed`.

Rules a change must keep:
- A side is a subprocess that prints one line of JSON (`measure.Figures`) last; it shares no process, cache or file with another.
- Rounds are interleaved (A B A B …), and a ratio is taken inside a round: two minutes later the machine is a different one.
- A side that fails ends the measurement: a table with a hole in it would be read as a table.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from bench.measure import Figures

Measure = Literal["wall_s", "cpu_s"]
Round = Mapping[str, Figures]
"""The figures of one round, by side."""

SIDE_TIMEOUT_S: Final = 900
ROOT: Final = Path(__file__).parent.parent
BUSY_SHARE: Final = 0.1
_TITLES: Final[dict[Measure, str]] = {"wall_s": "wall", "cpu_s": "CPU"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One measured program: `python -m MODULE --name NAME --n N ARGUMENTS`.

    `n` is None for a side that runs as many workflows as the command line says. `needs` are modules without which it is left out.
    """

    name: str
    module: str
    unit: str
    n: int | None = None
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """How many times as fast per unit `side` is as `against`; `at_least` is the goal, if there is one."""

    side: str
    against: str
    by: Measure
    at_least: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """What one unit of `side` may cost, in microseconds, and how much memory the side may hold, in MiB."""

    side: str
    by: Measure = "cpu_s"
    at_most_us: float | None = None
    at_most_rss_mb: float | None = None


def available(sides: Sequence[Side], python: str) -> tuple[Side, ...]:
    """The sides whose needs this interpreter can import."""
    return tuple(side for side in sides if _imports(side.needs, python))


def run_rounds(
    sides: Sequence[Side], *, rounds: int, workflows: int, python: str, tell: Callable[[str], None]
) -> list[Round]:
    """Every side once in each round, in the given order. `tell` hears of each result."""
    results: list[Round] = []
    for number in range(1, rounds + 1):
        figures: dict[str, Figures] = {}
        for side in sides:
            figures[side.name] = run_side(side, n=side.n or workflows, python=python)
            tell(f"round {number}/{rounds} {_line(figures[side.name])}")
        results.append(figures)
    return results


def run_side(side: Side, *, n: int, python: str) -> Figures:
    """One run of one side. Raises SystemExit with what it wrote when it fails or prints no figures."""
    os.sync()  # what the side before left dirty is not this side's to write
    command = [python, "-m", side.module, "--name", side.name, "--n", str(n), *side.arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SIDE_TIMEOUT_S, check=False)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    figures = Figures(**json.loads(lines[-1]))
    if (figures.name, figures.n) != (side.name, n):
        raise SystemExit(f"{side.module} was asked for {n} of {side.name} and reports {figures.n} of {figures.name}")
    return figures


def ratios(comparison: Comparison, results: Sequence[Round]) -> list[float]:
    """One ratio per round: what a unit costs `against`, divided by what it costs `side`."""
    return [
        _per_unit(each[comparison.against], comparison.by) / _per_unit(each[comparison.side], comparison.by)
        for each in results
    ]


def met(comparison: Comparison, results: Sequence[Round]) -> bool:
    """Whether the median ratio reaches the goal; a comparison without a goal is always met."""
    return comparison.at_least is None or statistics.median(ratios(comparison, results)) >= comparison.at_least


def kept(limit: Limit, results: Sequence[Round]) -> bool:
    """Whether the median cost and the largest memory stay within the limit."""
    cost = statistics.median(_per_unit(each[limit.side], limit.by) for each in results) * 1e6
    rss_mb = max(each[limit.side].rss_mb for each in results)
    return (limit.at_most_us is None or cost <= limit.at_most_us) and (
        limit.at_most_rss_mb is None or rss_mb <= limit.at_most_rss_mb
    )


def sides_table(sides: Sequence[Side], results: Sequence[Round]) -> str:
    """What one unit costs on each side: medians over the rounds, ranges in brackets."""
    rows = []
    for side in sides:
        taken = [each[side.name] for each in results]
        rate = [figures.n / figures.wall_s for figures in taken]
        cpu = [_per_unit(figures, "cpu_s") * 1e6 for figures in taken]
        wall = [_per_unit(figures, "wall_s") * 1e6 for figures in taken]
        rss = max(figures.rss_mb for figures in taken)
        rows.append((side.name, side.unit, str(taken[0].n), _range(rate), _range(wall), _range(cpu), f"{rss:.0f}"))
    return markdown(("side", "unit", "n", "units/s", "wall µs/unit", "CPU µs/unit", "peak MiB"), rows)


def comparisons_table(comparisons: Sequence[Comparison], results: Sequence[Round]) -> str:
    """The ratios, with their goals."""
    rows = [
        (
            each.side,
            each.against,
            _TITLES[each.by],
            _range(ratios(each, results)),
            "–" if each.at_least is None else f"≥ {each.at_least:g}",
            "–" if each.at_least is None else _verdict(good=met(each, results)),
        )
        for each in comparisons
    ]
    return markdown(("side", "against", "by", "times as fast", "goal", "met"), rows)


def limits_table(limits: Sequence[Limit], results: Sequence[Round]) -> str:
    """The absolute limits."""
    rows = []
    for each in limits:
        bounds = []
        if each.at_most_us is not None:
            bounds.append(f"≤ {each.at_most_us:g} µs {_TITLES[each.by]} per unit")
        if each.at_most_rss_mb is not None:
            bounds.append(f"≤ {each.at_most_rss_mb:g} MiB")
        rows.append((each.side, ", ".join(bounds), _verdict(good=kept(each, results))))
    return markdown(("side", "limit", "kept"), rows)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, with columns aligned for people who read it as text."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
    )


def machine(python: str) -> str:
    """What it is measured on: a ratio travels better than a figure, but neither travels far."""
    folder = _file_system(tempfile.gettempdir())
    memory = " (in memory: commits cost nothing, wall figures do not count)" if folder in {"tmpfs", "ramfs"} else ""
    versions = _versions(("apsw", "msgspec", "blake3", "minijinja", "dbos"), python)
    return f"{os.cpu_count()} × {_processor()}, {platform.system()}, files on {folder}{memory}\n{versions}"


class Contention:
    """How much of the time some task of the machine waited for a CPU, from the kernel's own account (Linux only)."""

    def __init__(self) -> None:
        self._waited_s, self._since_s = _waited_s(), time.monotonic()

    def describe(self) -> str:
        """One sentence for the head of the tables."""
        waited_s, passed_s = _waited_s(), time.monotonic() - self._since_s
        if waited_s is None or self._waited_s is None:
            return "how busy the machine was is not known"
        share = (waited_s - self._waited_s) / passed_s
        warning = ": BUSY, wall figures do not count" if share > BUSY_SHARE else ""
        return f"something waited for a CPU {share:.0%} of the time{warning}"


def _waited_s() -> float | None:
    account = Path("/proc/pressure/cpu")
    if not account.exists():
        return None
    some = account.read_text(encoding="ascii").splitlines()[0]
    return int(some.rpartition("total=")[2]) / 1e6


def _imports(modules: Sequence[str], python: str) -> bool:
    code = "; ".join(f"import {module}" for module in modules) or "pass"
    return subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


def _per_unit(figures: Figures, by: Measure) -> float:
    return (figures.wall_s if by == "wall_s" else figures.cpu_s) / figures.n


def _range(values: Sequence[float]) -> str:
    return f"{_short(statistics.median(values))} ({_short(min(values))}–{_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _verdict(*, good: bool) -> str:
    return "yes" if good else "NO"


def _line(figures: Figures) -> str:
    return (
        f"{figures.name}: {_short(figures.n / figures.wall_s)}/s, wall {_short(_per_unit(figures, 'wall_s') * 1e6)} µs, "
        f"CPU {_short(_per_unit(figures, 'cpu_s') * 1e6)} µs"
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(folder: str) -> str:
    """The type of the file system that holds `folder`, as the kernel lists it."""
    mounts = Path("/proc/mounts")
    lines = mounts.read_text(encoding="utf-8").splitlines() if mounts.exists() else []
    resolved = Path(folder).resolve()
    holding = [fields for fields in map(str.split, lines) if resolved.is_relative_to(fields[1])]
    return max(holding, key=lambda fields: len(fields[1]))[2] if holding else "an unknown file system"


def _versions(packages: Sequence[str], python: str) -> str:
    code = (
        "import platform; from importlib.metadata import version, PackageNotFoundError\n"
        "found = ['Python ' + platform.python_version()]\n"
        f"for name in {tuple(packages)!r}:\n"
        "    try: found.append(name + ' ' + version(name))\n"
        "    except PackageNotFoundError: pass\n"
        "print(', '.join(found))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
