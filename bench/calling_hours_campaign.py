"""The campaign over calling hours: every zone, every quarter of an hour of 2026 and 2027, against an oracle that only looks.

    python -m bench.calling_hours_campaign --share 1/50 --seed 1
    python -m bench.calling_hours_campaign --share 1

What is compared, and how, is said in tests/calling_hours_sweep.py. The share is taken of the pairs of a zone and a week, evenly;
the seed says where it begins. `--zone` asks all weeks of one zone. At the end: how often the kernel was asked, and how often it
differed; the first differences are printed as they are found.
"""

from __future__ import annotations

import argparse
import sys
import time
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SHOWN = 20
"""How many differences are printed; the others are only counted."""


def main() -> int:
    """Read the command line and sweep. Exits with 1 if anything differs."""
    from calling_hours_sweep import WEEKS, Difference, spread, sweep_week  # noqa: PLC0415 - the path to it is set above

    from dee_appliance.authoring.zone_table import compile_zone_table  # noqa: PLC0415
    from dee_appliance.kernel.e1.civil_time import ZoneTable, format_utc  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=Fraction, default=Fraction(1, 50), help="of all pairs of zone and week")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zone", help="all weeks of this zone only")
    arguments = parser.parse_args()

    table = ZoneTable(compile_zone_table())
    zones = (arguments.zone,) if arguments.zone else table.zones()
    share = Fraction(1) if arguments.zone else arguments.share
    chosen = spread(len(zones), int(len(zones) * WEEKS * share), arguments.seed)
    began, states, searches = time.monotonic(), 0, 0
    differences: list[Difference] = []
    for zone, week in chosen:
        tally = sweep_week(table, zones[zone], week)
        states, searches = states + tally.states, searches + tally.searches
        differences += tally.differences
        for found in tally.differences[: max(0, SHOWN - len(differences) + len(tally.differences))]:
            at = format_utc(found.utc)
            print(f"{found.zone} {at} {found.question}: expected {found.expected}, found {found.found}", flush=True)
    print(
        f"tzdata {table.version}: {len({zone for zone, _ in chosen})} zones, {len(chosen):,} weeks of zones, "
        f"{states:,} states and {searches:,} searches compared in {time.monotonic() - began:.0f} s; "
        f"{len(differences)} differences"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
