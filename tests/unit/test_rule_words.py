"""What rules say in words: every kind, every condition, and every rule that is shipped."""

from __future__ import annotations

import pytest

from dee_appliance.authoring.rule_words import (
    CONFIDENCE,
    concerns_words,
    conditions,
    confidence_words,
    demand,
    grounds_words,
    hours_words,
    says,
)
from dee_appliance.authoring.shipped_packs import check_shipped, shipped_packs
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    CapRule,
    ConsentRule,
    ContentRule,
    DailyLimitRule,
    DutyRule,
    FactRule,
    Ground,
    RateRule,
    RatioRule,
    Rule,
    Stage,
    SuppressionRule,
    WindowRule,
)

NINE_TO_SIX = ((32_400, 64_800),)
WEEK = Hours(weekly=(*[NINE_TO_SIX] * 5, (), ()))

SAID: dict[str, tuple[Rule, str]] = {
    "own suppressions": (SuppressionRule(id="r"), "nobody who has opted out or was suppressed"),
    "reach": (
        SuppressionRule(id="r", reach="everything"),
        "nobody who has opted out or was suppressed; an opt-out closes every channel",
    ),
    "a list": (
        SuppressionRule(id="r", lists=("dnc",), max_age_days=31),
        "no address on the list dnc, which must be loaded, at most 31 days old",
    ),
    "lists": (
        SuppressionRule(id="r", lists=("a", "b"), max_age_days=1),
        "no address on the lists a, b, which must be loaded, each at most 1 day old",
    ),
    "any consent": (ConsentRule(id="r"), "consent in force"),
    "classes": (ConsentRule(id="r", classes=("express", "written")), "consent of class express or written"),
    "implied": (
        ConsentRule(id="r", implied={"purchase": 24, "inquiry": 6}),
        "consent in force; implied consent counts by inquiry for 6 months, purchase for 24 months",
    ),
    "fact": (FactRule(id="r", require=(Ground(fact="registered"),)), "the fact registered is recorded"),
    "grounds": (
        FactRule(id="r", require=(Ground(fact="storm", holds=False), Ground(attribute="landline"))),
        "the fact storm is recorded as not so or the contact has landline",
    ),
    "content": (
        ContentRule(id="r", require=("opt_out_words",), texts=("debt collector",)),
        "the word STOP, which stops text messages when it is answered; the words “debt collector”",
    ),
    "window": (WindowRule(id="r", hours=WEEK), "Mon-Fri 09:00-18:00 on every clock of the contact"),
    "calendar": (
        WindowRule(
            id="r",
            hours=Hours(
                weekly=WEEK.weekly,
                closed_dates=("2026-12-25", "2027-01-01", "2027-04-02", "2027-05-01", "2027-05-08"),
                half_days={"2026-12-24": ((32_400, 43_200),)},
                closed_until="2027-12-31",
            ),
            zone="Europe/Paris",
            personal=True,
            guard_s=300,
        ),
        (
            "Mon-Fri 09:00-18:00 on the clock of Europe/Paris, shorter on 2026-12-24, closed on 2026-12-25, 2027-01-01, "
            "2027-04-02, 2027-05-01 and 1 more date, refused after 2027-12-31, where its calendar ends, and within the "
            "hours that the contact has named, nothing begins in the last 5m"
        ),
    ),
    "cap": (
        CapRule(id="r", limit=3, counts=("voice", "sms"), seconds=86_400, excluded_outcomes=("busy",)),
        "at most 3 calls or texts (other than busy) within 1d per contact",
    ),
    "local days": (
        CapRule(id="r", limit=7, channels=("voice",), days=7, also_seconds=604_800, scope=("contact", "var:debt")),
        "at most 7 calls in 7 local days and within 1w per contact and variable debt",
    ),
    "month": (
        CapRule(id="r", limit=4, month=True, zone="Europe/Paris", scope=()),
        "at most 4 e-mails or texts or calls in a month of Europe/Paris",
    ),
    "cool-down": (
        CapRule(id="r", limit=1, counts=("conversation",), days=7),
        "nothing after 1 conversation in 7 local days per contact",
    ),
    "ratio": (
        RatioRule(
            id="r",
            numerator=("email.complained",),
            denominator=("email.delivered",),
            max_per_10000=30,
            days=7,
            min_denominator=334,
            scope="channel",
        ),
        "email.complained below 0.30 % of email.delivered over 7 days per channel, from 334 on",
    ),
    "daily limit": (
        DailyLimitRule(id="r", limit=50, scope="plan", ramp=(Stage(since="2026-12-01", limit=5_000),)),
        "50 a day (Etc/UTC) per plan, 5,000 from 2026-12-01 on",
    ),
    "rate": (RateRule(id="r", limit=10, seconds=60, scope="channel"), "10 in any 1m per channel"),
    "budget": (
        BudgetRule(id="r", limit_micros=2_500_000, currency="EUR", period="month", zone="Europe/Paris"),
        "2.50 EUR a month (Europe/Paris) in the file",
    ),
    "duty in seconds": (
        DutyRule(id="r", trigger="opt_out", within_s=300),
        "within 5m of: opt out (reported; it holds no send)",
    ),
    "duty in business days": (
        DutyRule(id="r", trigger="opt_out", within_business_days=10),
        "within 10 business days of: opt out (reported; it holds no send)",
    ),
    "duty in months": (
        DutyRule(id="r", trigger="erasure_request", within_months=1),
        "within 1 month of: erasure request (reported; it holds no send)",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_rule_says_what_it_demands(name: str) -> None:
    rule, words = SAID[name]
    assert demand(rule) == words


def test_every_kind_of_rule_is_in_the_table() -> None:
    assert {type(rule) for rule, _ in SAID.values()} == set(Rule.__args__)


def test_a_rule_says_when_it_counts_and_what_lifts_it() -> None:
    rule = ConsentRule(
        id="r",
        effective_from="2026-12-01",
        effective_until="2027-01-01",
        unless=(Ground(consent="written"), Ground(attribute="last_purchase", months=18), Ground(consent="express")),
        on_fail="hold",
    )
    assert conditions(rule) == (
        "in force from 2026-12-01 until before 2027-01-01",
        "unless consent of class written or express is in force or last_purchase is at most 18 months ago",
        "holds for a day instead of refusing",
    )
    assert says(rule) == "; ".join(("consent in force", *conditions(rule)))
    assert conditions(ConsentRule(id="r")) == ()


def test_a_rule_says_whom_it_is_for() -> None:
    assert concerns_words(SuppressionRule(id="r")) == "everything"
    rule = ConsentRule(
        id="r", channels=("voice",), purposes=("marketing",), jurisdictions=("US-FL", "CA"), subscriber="individual"
    )
    assert concerns_words(rule) == "voice · marketing · US-FL CA · individual subscribers"


def test_hours_that_differ_by_day_are_told_day_by_day() -> None:
    noon = ((32_400, 43_200), (46_800, 64_800))
    hours = Hours(weekly=(noon, NINE_TO_SIX, noon, NINE_TO_SIX, NINE_TO_SIX, (), ()))
    assert hours_words(hours) == "Mon,Wed 09:00-12:00+13:00-18:00, Tue,Thu-Fri 09:00-18:00"
    assert hours_words(Hours(weekly=((),) * 7)) == "never open"


def test_how_sure_we_are_is_told_in_words() -> None:
    assert confidence_words("unverified") == "unverified (from memory; confirm it before you rely on it)"
    assert confidence_words("") == "not stated"


@pytest.mark.parametrize("name", shipped_packs())
def test_every_shipped_rule_has_words(name: str) -> None:
    pack = check_shipped(name).pack
    assert pack is not None
    for rule in pack.rules:
        assert says(rule).strip("; ")
        assert concerns_words(rule)
        assert rule.confidence in CONFIDENCE
        assert grounds_words(rule.unless) or not rule.unless
