"""Money on the command line: what budgets have left, and what a send costs."""

from __future__ import annotations

import pytest
from terminal import Terminal, serve_all

POLICY = """
policy   = "money"
currency = "EUR"
[[rule]]
id     = "month"
kind   = "budget"
amount = "0.05"
period = "month"
zone   = "Europe/Paris"
on_fail = "hold"
[[rule]]
id    = "day"
kind  = "daily_limit"
limit = 100
ramp  = [{ from = 2020-01-01, limit = 10 }, { from = 9998-12-31, limit = 1000 }]
[[rule]]
id      = "pace"
kind    = "rate"
limit   = 50
within  = "1h"
[[rate]]
channel = "email"
price   = "0.01"
[[rate]]
channel = "sms"
price   = "0.05"
[[rate]]
channel = "sms"
prefix  = "+44"
price   = "0.09"
"""


@pytest.fixture
def money(desk: Terminal) -> Terminal:
    """A desk with budgets and a rate card."""
    desk.write("policy.toml", POLICY)
    desk.ok("policy", "set", "policy.toml")
    return desk


def test_budgets_limits_and_rates_are_shown_with_what_they_have_left_and_how_long_it_lasts(money: Terminal) -> None:
    serve_all(money)
    said = money.ok("budget", "show").out
    assert "month: 0.02 EUR settled, 0.01 EUR reserved of 0.05 EUR, 0.02 EUR left in the month" in said
    assert "(Europe/Paris), anew" in said
    assert "at 0.03 EUR a day it is used up on" in said
    assert "10 a day since 2020-01-01, 1,000 from 9998-12-31 on" in said
    report = money.ok("budget", "show", "--json").record()
    (budget,), (limit,), (rate,) = report["budgets"], report["limits"], report["rates"]
    assert (budget["settled_micros"], budget["reserved_micros"], budget["burn"]["average_micros"]) == (
        20_000,
        10_000,
        30_000,
    )
    assert (limit["limit"], limit["next_stage"]["limit"]) == (10, 1_000)
    assert (rate["limit"], rate["used"] + rate["left"]) == (50, 50)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--channel", "sms", "--to", "+44 7911 123456", "--units", "2"),
            "2 × sms to +44791…: 0.18 EUR (policy money)",
        ),
        (("--channel", "sms", "--to", "+1 206 555 0100"), "1 × sms to +1206…: 0.05 EUR (policy money)"),
        (("--channel", "email", "--units", "1000"), "1,000 × email: 10.00 EUR (policy money)"),
    ],
)
def test_an_estimate_is_what_the_gate_would_reserve(money: Terminal, words: tuple[str, ...], told: str) -> None:
    assert money.ok("budget", "estimate", *words).out == f"{told}\n"
    assert money.ok("budget", "estimate", *words, "--json").record()["currency"] == "EUR"


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("--channel", "voice", "--to", "+12065550100"), 1, "the rate card has no price for voice to +1206"),
        (("--channel", "sms", "--to", "twelve"), 2, "only digits"),
        (("--channel", "sms", "--units", "0"), 2, "0 is not in the range"),
    ],
)
def test_an_estimate_that_cannot_be_made_says_why(
    money: Terminal, words: tuple[str, ...], code: int, what: str
) -> None:
    said = money.dee("budget", "estimate", *words)
    assert said.code == code
    assert what in said.err
