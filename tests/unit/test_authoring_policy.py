"""Policy files: what they mean, and each mistake at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dee_appliance.authoring.policy_file import CheckedPolicy, check_policy, gaps_of, settable
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    ConsentRule,
    DailyLimitRule,
    Policy,
    Rate,
    SuppressionRule,
    WindowRule,
    decode_policy,
)

EXAMPLE = Path(__file__).parents[2] / "examples/sales-outreach/policy.toml"

SOUND = """\
policy = "house"
currency = "EUR"
[[rule]]
id = "nobody-suppressed"
kind = "suppression"
[[rule]]
id = "consent"
kind = "consent"
channels = ["email", "sms"]
purposes = ["marketing"]
classes = ["express"]
cite = "a law"
url = "https://example.com/law"
[[rule]]
id = "hours"
kind = "window"
hours = { days = "Sun", from = 08:00:00, to = 21:00:00 }
closed_dates = [2026-12-25]
[[rule]]
id = "limit"
kind = "daily_limit"
limit = 5
zone = "Europe/Paris"
scope = "plan"
[[rule]]
id = "budget"
kind = "budget"
amount = "10.00"
scope = "channel"
channels = ["sms"]
[[rate]]
channel = "sms"
price = "0.05"
[[rate]]
channel = "sms"
prefix = "+33"
price = "0"
"""


def checked(folder: Path, text: str, **more: frozenset[str]) -> CheckedPolicy:
    (folder / "policy.toml").write_text(text, encoding="utf-8")
    return check_policy(folder / "policy.toml", **more)


def found(result: CheckedPolicy) -> list[tuple[int, str]]:
    return [(finding.line, finding.code) for finding in result.findings]


def test_a_policy_file_has_its_normal_form(tmp_path: Path) -> None:
    result = checked(tmp_path, SOUND)
    assert result.findings == ()
    assert settable(result) == Policy(
        id="house",
        currency="EUR",
        rules=(
            SuppressionRule(id="nobody-suppressed"),
            ConsentRule(
                id="consent",
                channels=("email", "sms"),
                purposes=("marketing",),
                classes=("express",),
                cite="a law",
                url="https://example.com/law",
            ),
            WindowRule(
                id="hours",
                hours=Hours(weekly=((), (), (), (), (), (), ((28_800, 75_600),)), closed_dates=("2026-12-25",)),
            ),
            DailyLimitRule(id="limit", limit=5, zone="Europe/Paris", scope="plan"),
            BudgetRule(id="budget", limit_micros=10_000_000, currency="EUR", scope="channel", channels=("sms",)),
        ),
        rates=(Rate(channel="sms", micros=50_000), Rate(channel="sms", micros=0, prefix="+33")),
    )


def test_the_body_of_a_policy_reads_back_as_the_policy(tmp_path: Path) -> None:
    result = checked(tmp_path, SOUND)
    assert decode_policy(result.body) == result.policy
    assert result.digest == document_digest("policy", result.body)


def test_the_example_policy_has_all_five_kinds_of_rules() -> None:
    result = check_policy(EXAMPLE)
    assert result.findings == ()
    kinds = {type(rule) for rule in settable(result).rules}
    assert kinds == {SuppressionRule, ConsentRule, WindowRule, DailyLimitRule, BudgetRule}


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ('policy = "house"', 'polcy = "house"', 1, "unknown_field"),
        ('currency = "EUR"', 'currency = "euro"', 2, "wrong_value"),
        ('kind = "suppression"', 'kind = "supression"', 5, "unknown_kind"),
        ('kind = "suppression"\n', "", 3, "missing_field"),
        ('id = "consent"', 'id = "nobody-suppressed"', 7, "duplicate_id"),
        ('id = "consent"', 'id = "plan/consent"', 7, "reserved_id"),
        ('channels = ["email", "sms"]', 'channels = ["mail"]', 9, "wrong_value"),
        ('purposes = ["marketing"]', "purposes = []", 10, "wrong_length"),
        ('classes = ["express"]', 'clases = ["express"]', 11, "unknown_field"),
        ('days = "Sun"', 'days = "Funday"', 17, "wrong_value"),
        ("limit = 5\n", "", 19, "missing_field"),
        ("limit = 5\n", "limit = -5\n", 22, "wrong_type"),
        ('scope = "plan"', 'scope = "world"', 24, "wrong_value"),
        ('amount = "10.00"', "amount = 10.00", 28, "wrong_type"),
        ('amount = "10.00"', 'amount = "0"', 28, "wrong_value"),
        ('prefix = "+33"', 'prefix = "33"', 36, "wrong_value"),
        ('prefix = "+33"\n', "", 34, "duplicate_rate"),
        ('channel = "sms"\nprefix', 'channel = "email"\nprefix', 36, "wrong_combination"),
        ("[[rate]]", "[rate]", 31, "wrong_type"),
    ],
)
def test_a_mistake_is_refused_at_its_line(tmp_path: Path, old: str, new: str, line: int, code: str) -> None:
    assert old in SOUND
    text = SOUND.replace(old, new, 1)
    if new == "[rate]":
        text = text.partition("[[rate]]\nchannel")[0]
    result = checked(tmp_path, text)
    assert (line, code) in found(result)
    assert all(finding.line == line or finding.code == "missing_field" for finding in result.findings)
    with pytest.raises(Refused, match="mistakes"):
        settable(result)


def test_an_unknown_zone_is_refused_when_the_zones_are_known(tmp_path: Path) -> None:
    assert checked(tmp_path, SOUND, known_zones=frozenset({"Europe/Paris"})).findings == ()
    result = checked(tmp_path, SOUND.replace("Paris", "Pari"), known_zones=frozenset({"Europe/Paris", "Etc/UTC"}))
    assert found(result) == [(23, "unknown_zone")]
    assert result.findings[0].suggestion == 'did you mean "Europe/Paris"?'


def test_a_budget_without_a_price_is_only_warned_of(tmp_path: Path) -> None:
    result = checked(tmp_path, SOUND.replace('channels = ["sms"]\n[[rate]]', "[[rate]]"))
    assert result.policy is not None
    assert [(finding.severity, finding.line, finding.code) for finding in result.findings] == [
        ("warned", 28, "no_rate")
    ]
    assert "email, voice" in result.findings[0].reason


def test_a_mistake_of_syntax_has_its_line(tmp_path: Path) -> None:
    assert found(checked(tmp_path, 'policy = "x"\ncurrency = \n')) == [(2, "syntax")]


def test_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("policy: x\n")
    with pytest.raises(Refused, match="YAML"):
        check_policy(tmp_path / "policy.yaml")


@pytest.mark.parametrize(
    ("rules", "gaps"),
    [
        ("", ["by email, sms, voice"]),
        ('[[rule]]\nid = "a"\nkind = "consent"\njurisdictions = ["US"]\n', ["by email, sms, voice"]),
        ('[[rule]]\nid = "a"\nkind = "consent"\nunless = [{ fact = "x" }]\n', ["by email, sms, voice"]),
        ('[[rule]]\nid = "a"\nkind = "consent"\nchannels = ["sms"]\n', ["by email, voice"]),
        ('[[rule]]\nid = "a"\nkind = "consent"\npurposes = ["marketing"]\n', []),
    ],
)
def test_a_policy_that_asks_for_no_consent_is_said_to_be_so(tmp_path: Path, rules: str, gaps: list[str]) -> None:
    (tmp_path / "policy.toml").write_text(f'policy = "p"\n{rules}')
    found = gaps_of(settable(check_policy(tmp_path / "policy.toml")))
    assert len(found) == len(gaps)
    assert all(words in gap for words, gap in zip(gaps, found, strict=True))
