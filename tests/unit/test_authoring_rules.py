"""The rules of policies and packs: what each kind means in its normal form, and that each mistake is refused at its line."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import get_args

import pytest
from marked_cases import cases, marked, refused

from dee_appliance.authoring.jurisdictions import COUNTRIES, PARTS, PARTS_WITH_A_COUNTRY_CODE
from dee_appliance.authoring.policy_file import CheckedPolicy, check_policy, settable
from dee_appliance.authoring.rule_file import FIRST_DATE, LAST_DATE
from dee_appliance.authoring.written_rule import CONTENT_WORDS, Counted, TalliedEvent
from dee_appliance.authoring.zone_table import FROM_UTC, UNTIL_UTC
from dee_appliance.content.features import FEATURES
from dee_appliance.intake.addresses import supported_regions
from dee_appliance.intake.subdivisions import COMPLETE, subdivisions
from dee_appliance.kernel.e1.input import TALLIED
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import (
    HAPPENINGS,
    RULE_KINDS,
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
    decode_policy,
    kind_of_rule,
)

HEAD = 'policy = "p"\n'
CASES = cases(Path(__file__).parent / "authoring_refused_rules.txt")

NINE_TO_SIX = ((32_400, 64_800),)
KINDS: list[tuple[str, Rule]] = [
    (
        'kind = "suppression"\nlists = ["us-ndnc"]\nmax_age_days = 31\nunless = [{ consent = "written" }]',
        SuppressionRule(id="x", lists=("us-ndnc",), max_age_days=31, unless=(Ground(consent="written"),)),
    ),
    ('kind = "suppression"\nreach = "everything"', SuppressionRule(id="x", reach="everything")),
    (
        'kind = "consent"\nclasses = ["express", "implied"]\nimplied = { purchase = 24, inquiry = 6 }\non_fail = "hold"',
        ConsentRule(id="x", classes=("express", "implied"), implied={"inquiry": 6, "purchase": 24}, on_fail="hold"),
    ),
    (
        'kind = "fact"\nrequire = [{ fact = "emergency", holds = false }, { attribute = "bought", months = 18 }]',
        FactRule(id="x", require=(Ground(fact="emergency", holds=False), Ground(attribute="bought", months=18))),
    ),
    (
        'kind = "content"\nrequire = ["postal_address"]\ntexts = ["debt collector"]',
        ContentRule(id="x", require=("postal_address",), texts=("debt collector",)),
    ),
    (
        (
            'kind = "window"\nhours = { days = "Fri", from = 09:00:00, to = 18:00:00 }\nclosed_dates = [2026-12-25]\n'
            "half_days = [{ date = 2027-12-24, from = 00:00:00, to = 12:00:00 }]\nclosed_until = 2027-12-31\n"
            'zone = "Etc/GMT+6"\npersonal = true\nguard = "5m"'
        ),
        WindowRule(
            id="x",
            hours=Hours(
                weekly=((), (), (), (), NINE_TO_SIX, (), ()),
                closed_dates=("2026-12-25",),
                half_days={"2027-12-24": ((32_400, 43_200),)},
                closed_until="2027-12-31",
            ),
            zone="Etc/GMT+6",
            personal=True,
            guard_s=300,
        ),
    ),
    (
        (
            'kind = "cap"\nlimit = 3\ncounts = ["voice", "sms"]\nscope = ["contact", "var:subject"]\nwithin = "24h"\n'
            'boundary = "closed"'
        ),
        CapRule(id="x", limit=3, counts=("voice", "sms"), scope=("contact", "var:subject"), seconds=86_400),
    ),
    (
        (
            'kind = "cap"\nlimit = 7\ncounts = ["voice"]\ndays = 7\nalso_within = "168h"\nboundary = "half_open"\n'
            'excluded_outcomes = ["busy"]\nzone = "Europe/Paris"'
        ),
        CapRule(
            id="x",
            limit=7,
            counts=("voice",),
            days=7,
            also_seconds=604_800,
            boundary="half_open",
            excluded_outcomes=("busy",),
            zone="Europe/Paris",
        ),
    ),
    (
        'kind = "cap"\nlimit = 1\ncounts = ["refusal"]\nscope = ["address"]\nmonth = true',
        CapRule(id="x", limit=1, counts=("refusal",), scope=("address",), month=True),
    ),
    (
        (
            'kind = "ratio"\nnumerator = ["email.complained"]\ndenominator = ["email.delivered"]\nmax_per_10000 = 10\n'
            'days = 7\nmin_denominator = 1001\nscope = "channel"'
        ),
        RatioRule(
            id="x",
            numerator=("email.complained",),
            denominator=("email.delivered",),
            max_per_10000=10,
            days=7,
            min_denominator=1_001,
            scope="channel",
        ),
    ),
    (
        'kind = "daily_limit"\nlimit = 50\nramp = [{ from = 2026-12-01, limit = 100 }, { from = 2026-12-08, limit = 200 }]',
        DailyLimitRule(
            id="x", limit=50, ramp=(Stage(since="2026-12-01", limit=100), Stage(since="2026-12-08", limit=200))
        ),
    ),
    ('kind = "rate"\nlimit = 10\nwithin = "1m"', RateRule(id="x", limit=10, seconds=60)),
    (
        'kind = "budget"\namount = "250.00"\nperiod = "month"\nzone = "America/New_York"\non_fail = "hold"',
        BudgetRule(
            id="x",
            limit_micros=250_000_000,
            currency="USD",
            period="month",
            zone="America/New_York",
            on_fail="hold",
        ),
    ),
    ('kind = "duty"\ntrigger = "opt_out"\nwithin = "48h"', DutyRule(id="x", trigger="opt_out", within_s=172_800)),
    (
        'kind = "duty"\ntrigger = "opt_out"\nbusiness_days = 10\nclosed_dates = [2026-12-25]',
        DutyRule(id="x", trigger="opt_out", within_business_days=10, closed_dates=("2026-12-25",)),
    ),
    (
        'kind = "duty"\ntrigger = "erasure_request"\nmonths = 1',
        DutyRule(id="x", trigger="erasure_request", within_months=1),
    ),
]


def checked(folder: Path, text: str, **more: frozenset[str]) -> CheckedPolicy:
    (folder / "policy.toml").write_text(text, encoding="utf-8")
    return check_policy(folder / "policy.toml", **more)


def rules_of(folder: Path, *bodies: str) -> tuple[Rule, ...]:
    text = HEAD + "".join(f'[[rule]]\nid = "{name}"\n{body}\n' for name, body in zip("xyz", bodies, strict=False))
    return settable(checked(folder, text)).rules


@pytest.mark.parametrize(("body", "rule"), KINDS)
def test_a_rule_has_its_normal_form(tmp_path: Path, body: str, rule: Rule) -> None:
    assert rules_of(tmp_path, body) == (rule,)


@pytest.mark.parametrize(("body", "rule"), KINDS)
def test_a_rule_reads_back_from_its_document(tmp_path: Path, body: str, rule: Rule) -> None:
    result = checked(tmp_path, f'{HEAD}[[rule]]\nid = "x"\n{body}\n')
    assert decode_policy(result.body).rules == (rule,)


def test_every_kind_is_among_them() -> None:
    assert {kind_of_rule(rule) for _, rule in KINDS} == set(RULE_KINDS)


def test_a_header_has_its_normal_form(tmp_path: Path) -> None:
    body = """kind = "suppression"
channels = ["sms"]
purposes = ["marketing"]
jurisdictions = ["US-FL", "CA"]
subscriber = "individual"
effective_from = 2026-10-18
effective_until = 2027-01-01
unless = [{ fact = "exempt" }]
on_fail = "hold"
cite = "a law"
url = "https://example.com/law"
as_of = 2026-11-23
confidence = "dated-secondary"
ambiguity = "much"
"""
    assert rules_of(tmp_path, body) == (
        SuppressionRule(
            id="x",
            channels=("sms",),
            purposes=("marketing",),
            jurisdictions=("US-FL", "CA"),
            subscriber="individual",
            effective_from="2026-10-18",
            effective_until="2027-01-01",
            unless=(Ground(fact="exempt"),),
            on_fail="hold",
            cite="a law",
            url="https://example.com/law",
            as_of="2026-11-23",
            confidence="dated-secondary",
            ambiguity="much",
        ),
    )


@pytest.mark.parametrize(("name", "text"), CASES.items())
def test_a_mistake_in_a_rule_is_refused_at_its_line(tmp_path: Path, name: str, text: str) -> None:
    result = checked(tmp_path, HEAD + text)
    wanted = marked(HEAD + text)
    assert wanted, name
    assert refused(result.findings) == wanted, [str(finding) for finding in result.findings]
    assert result.policy is None


def test_every_refusal_of_a_rule_says_what_to_write(tmp_path: Path) -> None:
    silent = {"wrong_length"}
    for text in CASES.values():
        for finding in checked(tmp_path, HEAD + text).findings:
            assert finding.reason
            assert finding.suggestion or finding.code in silent or finding.reason.count("must be"), str(finding)


def test_a_half_day_never_opens_what_its_weekday_keeps_closed(tmp_path: Path) -> None:
    spans = '[{ days = "Fri", from = 10:00:00, to = 13:00:00 }, { days = "Fri", from = 14:00:00, to = 20:00:00 }]'
    half = "[{ date = 2026-12-25, from = 08:00:00, to = 15:00:00 }]"
    (rule,) = rules_of(tmp_path, f'kind = "window"\nhours = {spans}\nhalf_days = {half}')
    assert isinstance(rule, WindowRule)
    assert rule.hours.half_days == {"2026-12-25": ((36_000, 46_800), (50_400, 54_000))}


def test_a_window_that_ends_before_its_only_holiday_is_open(tmp_path: Path) -> None:
    body = """kind = "window"
hours = { days = "Fri", from = 09:00:00, to = 18:00:00 }
effective_from = 2026-12-18
effective_until = 2026-12-19
closed_dates = [2026-12-25]"""
    assert len(rules_of(tmp_path, body)) == 1


def test_dates_at_the_end_of_time_are_only_dates(tmp_path: Path) -> None:
    body = """kind = "window"
hours = { days = "Mon-Sun", from = 09:00:00, to = 18:00:00 }
effective_from = 2026-12-25
closed_dates = [0001-01-01, 2026-12-25, 9999-12-31]
closed_until = 9999-12-31"""
    assert len(rules_of(tmp_path, body)) == 1


def test_the_zone_table_has_the_dates_that_a_rule_may_have() -> None:
    first = datetime.datetime(FIRST_DATE.year, FIRST_DATE.month, FIRST_DATE.day, tzinfo=datetime.UTC)
    last = datetime.datetime(LAST_DATE.year, LAST_DATE.month, LAST_DATE.day, tzinfo=datetime.UTC)
    day = datetime.timedelta(days=1)
    assert (first - day).timestamp() >= FROM_UTC
    assert (last + 2 * day).timestamp() <= UNTIL_UTC


def test_every_zone_of_a_rule_must_be_known(tmp_path: Path) -> None:
    bodies = (
        'kind = "window"\nhours = { days = "Mon", from = 09:00:00, to = 10:00:00 }\nzone = "Etc/GMT+66"',
        'kind = "cap"\nlimit = 1\ncounts = ["sms"]\ndays = 1\nzone = "Europe/Pari"',
        'kind = "budget"\namount = "1.00"\nperiod = "day"\nzone = "Etc/UT"',
    )
    text = HEAD + "".join(f'[[rule]]\nid = "{index}"\n{body}\n' for index, body in enumerate(bodies))
    result = checked(tmp_path, text, known_zones=frozenset({"Etc/UTC", "Europe/Paris"}))
    assert [finding.code for finding in result.findings if finding.severity == "refused"] == ["unknown_zone"] * 3


def test_a_budget_in_all_has_no_midnight(tmp_path: Path) -> None:
    body = 'kind = "budget"\namount = "1.00"\nzone = "Etc/UTC"\nchannels = ["sms"]'
    result = checked(tmp_path, f'{HEAD}[[rule]]\nid = "x"\n{body}\n[[rate]]\nchannel = "sms"\nprice = "0.05"\n')
    assert [(finding.severity, finding.code) for finding in result.findings] == [("warned", "useless_field")]


def test_the_places_of_rules_are_those_where_contacts_can_be() -> None:
    whole = {f"{country}-{part}" for country, parts in PARTS.items() for part in parts}
    assert set(PARTS) == set(COMPLETE)
    assert whole == {code for code in subdivisions() if code[:2] in COMPLETE}
    assert {part.country: code for code, part in subdivisions().items() if part.country} == PARTS_WITH_A_COUNTRY_CODE
    assert supported_regions() <= COUNTRIES | set(PARTS_WITH_A_COUNTRY_CODE)
    assert set(PARTS_WITH_A_COUNTRY_CODE) & COUNTRIES == set()


def test_the_closed_words_are_those_that_somebody_looks_for() -> None:
    assert set(CONTENT_WORDS) == set(FEATURES)
    assert set(get_args(TalliedEvent)) == set(TALLIED)
    assert set(get_args(Counted)) == {"email", "sms", "voice", *HAPPENINGS}
