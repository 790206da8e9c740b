"""A person's own calling hours under the policy of a new file: whoever has said when to call is called then."""

from __future__ import annotations

import pytest
from terminal import Terminal


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-11-24T11:30:00Z", 1),  # half past eleven in London: open for everybody, not for Bob
        ("2026-11-24T12:30:00Z", 0),
        ("2026-11-24T18:30:00Z", 1),
    ],
)
def test_the_policy_of_a_new_file_keeps_a_persons_own_hours(desk: Terminal, at: str, code: int) -> None:
    file = ("--db", "strict.db")
    desk.ok("init", *file, "--simulated", "--start", "2026-11-23T09:00:00Z")
    desk.write(
        "bob.csv",
        "customer_id,phone,timezone,country,calling hours\nB-1,+442079460000,Europe/London,GB,Mon-Fri 12:00-18:00\n",
    )
    desk.ok("contact", "import", "bob.csv", *file, "--consent", "voice:marketing")
    said = desk.dee("gate", "B-1", "--channel", "voice", "--purpose", "marketing", "--at", at, *file)
    assert said.code == code
    assert "and the contact's own hours" in said.out
