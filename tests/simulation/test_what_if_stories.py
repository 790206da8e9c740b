"""Random what-ifs, a few of the many that the campaign asks, and that what watches them would notice."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import pytest
from what_if_stories import CHANGES, ask, sockets

FIRST_SEED = 700_000
WHAT_IFS = 60


@pytest.mark.slow
def test_random_what_ifs_touch_nothing_and_change_nothing_for_nothing(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + WHAT_IFS):
        asked = ask(seed, tmp_path)
        assert asked.faults == []
        seen += asked.seen
    wanted = (
        "runs the same",
        "runs changed",
        "runs beyond history",
        "added: clock",
        "added: dispatch.pull",
        "dropped: event",
    )
    missing = [name for name in (*wanted, *(f"what-ifs: {kind}" for kind in CHANGES)) if not seen[name]]
    assert missing == []


def test_a_socket_that_is_made_is_noticed() -> None:
    with sockets().watched() as made:
        socket.socket(socket.AF_UNIX).close()
    assert made == ["socket.__new__"]
