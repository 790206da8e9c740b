"""Every campaign behind docs/reliability.md, one after the other, and one table of what they found.

    python -m bench.proof                    at full length: some three hours on two cores
    python -m bench.proof --scale 0.01       a hundredth of it
    python -m bench.proof --only deaths --only edits --list

What a campaign does, and how a failing case is told again, stands at the top of its module. Each runs in a process of its own;
what it prints passes through, the table comes last. Exit code 1 when any of them found something.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[1]


class Campaign(msgspec.Struct, frozen=True):
    """One campaign: its module under bench/, its numbers that --scale makes smaller, and what else it is told."""

    name: str
    module: str
    amounts: tuple[tuple[str, int], ...] = ()
    words: tuple[str, ...] = ()

    def command(self, scale: float) -> list[str]:
        """Return the words after `python`. At least one of everything is asked for."""
        numbers = [word for option, n in self.amounts for word in (option, str(max(1, round(n * scale))))]
        return ["-m", f"bench.{self.module}", *numbers, *self.words]


CAMPAIGNS = (
    Campaign(
        "schedules",
        "determinism_campaign",
        (("--seeds", 2_500),),
        ("--first", "200000", "--steps", "25", "--branches", "400"),
    ),
    Campaign("histories", "determinism_campaign", (("--seeds", 12_000),), ("--first", "100000")),
    Campaign("deaths", "death_campaign", (("--power", 27_000), ("--signal", 10_000)), ("--seed", "1", "--jobs", "2")),
    Campaign("every act", "death_campaign", (), ("--act", "--seed", "1", "--jobs", "2")),
    Campaign(
        "disks, clocks, copies",
        "death_campaign",
        (("--fault", 1_000), ("--clock", 10_000), ("--copy", 100)),
        ("--seed", "1", "--jobs", "2"),
    ),
    Campaign("a real server killed", "crash_campaign", (("--kills", 600),), ("--seed", "7", "--jobs", "1")),
    Campaign("simulator", "simulator", (("--seeds", 1_000),), ("--first", "1", "--jobs", "2", "--days", "30")),
    Campaign("gate", "gate_campaign", (("--operations", 1_000_000),), ("--seed", "1", "--jobs", "2")),
    Campaign("edits", "file_edit_campaign", (("--edits", 100_000),), ("--seed", "1000000", "--jobs", "2")),
    Campaign("mutations", "mutation_campaign", (("--mutations", 10_000),), ("--seed", "1", "--jobs", "2")),
    Campaign("what-ifs", "what_if_campaign", (("--what-ifs", 1_000),), ("--seed", "1")),
    Campaign("calling hours", "calling_hours_campaign", (), ("--share", "1/50", "--seed", "1")),
)


class Outcome(msgspec.Struct, frozen=True):
    """How a campaign ended."""

    campaign: Campaign
    exit_code: int
    seconds: float


def table(outcomes: list[Outcome], scale: float) -> str:
    """Return what is printed last: campaign, result, time, command."""
    lines = [f"{'campaign':22}{'result':>10}{'time':>10}  command"]
    for one in outcomes:
        result = "sound" if one.exit_code == 0 else f"exit {one.exit_code}"
        spent = f"{int(one.seconds) // 60}:{int(one.seconds) % 60:02}"
        lines.append(f"{one.campaign.name:22}{result:>10}{spent:>10}  python {shlex.join(one.campaign.command(scale))}")
    return "\n".join(lines)


def run(campaign: Campaign, scale: float) -> Outcome:
    """Run one campaign to its end."""
    print(f"\n## {campaign.name}\n", flush=True)
    began = time.monotonic()
    done = subprocess.run([sys.executable, *campaign.command(scale)], cwd=ROOT, check=False)
    return Outcome(campaign, done.returncode, time.monotonic() - began)


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description="Run every campaign and print one table.")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the full length, 1 is all of it")
    parser.add_argument("--only", action="append", choices=[one.name for one in CAMPAIGNS], help="only this one")
    parser.add_argument("--list", action="store_true", help="print the commands and run nothing")
    options = parser.parse_args()
    if not 0 < options.scale <= 1:
        parser.error("--scale is more than 0 and at most 1")
    chosen = [one for one in CAMPAIGNS if not options.only or one.name in options.only]
    if options.list:
        print("\n".join(f"python {shlex.join(one.command(options.scale))}" for one in chosen))
        return
    outcomes = [run(one, options.scale) for one in chosen]
    print(f"\n{table(outcomes, options.scale)}")
    sys.exit(1 if any(one.exit_code for one in outcomes) else 0)


if __name__ == "__main__":
    main()
