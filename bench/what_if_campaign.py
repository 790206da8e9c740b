"""The what-if campaign: random changes over random histories; no socket, not a byte of the file, no difference for nothing.

    python -m bench.what_if_campaign --what-ifs 1000 --seed 1

What is asked and what must hold stands in tests/simulation/what_if_stories; what-if n has seed + n, and everything about it
follows from that. One with a fault is named with the command that asks it again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "simulation")]

SAY_EVERY = 100


def campaign(what_ifs: int, seed: int) -> int:
    """Ask as many what-ifs. Returns how many of them have faults."""
    from what_if_stories import ask  # noqa: PLC0415 - the path to it is set above

    seen: Counter[str] = Counter()
    faulty, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dee-what-if-") as folder:
        for number in range(what_ifs):
            try:
                asked = ask(seed + number, Path(folder))
                seen += asked.seen
                faults = asked.faults
            except Exception:  # noqa: BLE001 - whatever went wrong, the others are asked all the same
                faults = [traceback.format_exc()]
            if faults:
                faulty += 1
                print("\n".join(faults))
                print(f"again: python -m bench.what_if_campaign --what-ifs 1 --seed {seed + number}", flush=True)
            if (number + 1) % SAY_EVERY == 0:
                print(
                    f"{number + 1}/{what_ifs} what-ifs, {faulty} with faults, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
    show(seen, what_ifs, faulty, time.monotonic() - began)
    return faulty


def show(seen: Counter[str], what_ifs: int, faulty: int, took_s: float) -> None:
    """Print the table."""
    print(f"\n{'what-ifs':52}{what_ifs:>12,}")
    for name in sorted(seen):
        print(f"  {name:50}{seen[name]:>12,}")
    print(f"{'what-ifs with a fault':52}{faulty:>12,}")
    print(f"{'seconds':52}{round(took_s):>12,}")


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description="Ask random what-ifs of random histories.")
    parser.add_argument("--what-ifs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(1 if campaign(options.what_ifs, options.seed) else 0)


if __name__ == "__main__":
    main()
