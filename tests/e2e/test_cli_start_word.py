"""START on the command line: what it takes back, and what it leaves, is said."""

from __future__ import annotations

import pytest
from terminal import Terminal

PACK_LIKE = """
policy = "wide"
[[rule]]
id    = "revocation"
kind  = "suppression"
reach = "REACH"
"""


@pytest.mark.parametrize(("reach", "stays"), [("everything", True), ("channel", False)])
def test_a_start_that_lifts_nothing_says_that_texts_stay_stopped(desk: Terminal, reach: str, stays: bool) -> None:
    desk.write("wide.toml", PACK_LIKE.replace("REACH", reach))
    desk.ok("policy", "set", "wide.toml")
    desk.ok("event", "add", "sms.replied", "--contact", "K-1", "--text", "stop")
    said = desk.ok("event", "add", "sms.replied", "--contact", "K-1", "--text", "Start")
    assert ("K-1 is still suppressed on sms" in said.err) is stays
    assert ("sms" in desk.ok("suppress", "check", "K-1", "--json").record()["channels"]) is stays
