"""The seed of the crash tests: another one each time, shown with every failure; DEE_CRASH_SEED repeats one."""

from __future__ import annotations

import os
import random  # noqa: TID251 - draws the seed when none is given
import sys

SEED = int(os.environ.get("DEE_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


def announce() -> None:
    """Say how to repeat the test; pytest shows it when the test fails."""
    sys.stdout.write(f"repeat with DEE_CRASH_SEED={SEED}\n")
