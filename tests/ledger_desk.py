"""For tests of consent, suppression and facts: a policy that asks for a list and two facts, and what must hold afterwards."""

from __future__ import annotations

from terminal import Terminal

ASKING = """
policy   = "asking"
currency = "USD"
[[rule]]
id   = "suppression"
kind = "suppression"
[[rule]]
id           = "registry"
kind         = "suppression"
channels     = ["email"]
purposes     = ["transactional"]
lists        = ["registry"]
max_age_days = 31
[[rule]]
id      = "license"
kind    = "fact"
require = [{ fact = "licensed" }]
[[rule]]
id      = "calm"
kind    = "fact"
require = [{ fact = "emergency", holds = false }]
[[rate]]
channel = "email"
price   = "0.01"
"""


def entries(desk: Terminal) -> int:
    """How long the log is."""
    count: int = desk.ok("status", "--json").record()["entries"]
    return count


def whole(desk: Terminal) -> None:
    """The record holds: chain, state and replay."""
    desk.ok("verify", "--state")
    desk.ok("replay")


def asking(desk: Terminal) -> None:
    """Let rules ask for the list `registry` and the facts `licensed` and `emergency`."""
    desk.write("asking.toml", ASKING)
    desk.ok("policy", "set", "asking.toml")
