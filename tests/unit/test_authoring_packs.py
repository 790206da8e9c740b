"""Pack files: what they mean, what is refused at which line, and what changed between two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from marked_cases import cases, marked, refused

from dee_appliance.authoring.pack_diff import pack_diff
from dee_appliance.authoring.pack_file import CheckedPack, check_pack, usable
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import DutyRule, Pack, WindowRule, decode_pack

CASES = cases(Path(__file__).parent / "authoring_refused_packs.txt")
SOURCE = 'cite = "a law"\nurl = "https://example.com/law"\nas_of = 2026-11-23\nconfidence = "primary"'
SHORT = {
    "HEAD": '[pack]\nid = "p"\nversion = "1"\nas_of = 2026-11-23\nnotice = "Not legal advice."',
    "RULE": f'[[rule]]\nid = "sound"\nkind = "suppression"\n{SOURCE}',
    "SOURCE": SOURCE,
}

SOUND = f"""\
[pack]
id = "somewhere"
version = "2026.11"
title = "Somewhere"
as_of = 2026-11-23
notice = "Not legal advice."
[[calendar]]
id = "national"
dates = [2026-12-25, 2026-05-01]
until = 2027-12-31
half_days = [{{ date = 2026-12-24, from = 00:00:00, to = 12:00:00 }}, {{ date = 2026-12-27, from = 00:00:00, to = 12:00:00 }}]
source = "the law on holidays"
[[calendar]]
id = "local"
dates = [2026-12-26]
until = 2026-12-31
source = "the law on holidays of the province"
[[rule]]
id = "hours"
kind = "window"
jurisdictions = ["CA-QC"]
hours = {{ days = "Mon-Sat", from = 09:00:00, to = 21:00:00 }}
closed = ["national", "local"]
closed_dates = [2026-07-01]
{SOURCE}
[[rule]]
id = "deadline"
kind = "duty"
trigger = "opt_out"
business_days = 10
closed = "national"
{SOURCE}
"""


def checked(folder: Path, text: str, **more: frozenset[str]) -> CheckedPack:
    (folder / "pack.toml").write_text(text, encoding="utf-8")
    return check_pack(folder / "pack.toml", **more)


def written_out(text: str) -> str:
    """A case with the parts that all cases share."""
    for word, part in SHORT.items():
        text = text.replace(f"{word}\n", f"{part}\n")
    return text


def pack_of(folder: Path, text: str) -> Pack:
    return usable(checked(folder, text))


def lines(old: Pack, new: Pack) -> list[str]:
    return [str(change) for change in pack_diff(old, new)]


def test_a_pack_has_its_normal_form(tmp_path: Path) -> None:
    result = checked(tmp_path, SOUND)
    assert result.findings == ()
    source: dict[str, Any] = {
        "cite": "a law",
        "url": "https://example.com/law",
        "as_of": "2026-11-23",
        "confidence": "primary",
    }
    day = ((32_400, 75_600),)
    assert usable(result) == Pack(
        id="somewhere",
        version="2026.11",
        title="Somewhere",
        as_of="2026-11-23",
        notice="Not legal advice.",
        calendars={"local": "the law on holidays of the province", "national": "the law on holidays"},
        rules=(
            WindowRule(
                id="somewhere/hours",
                jurisdictions=("CA-QC",),
                hours=Hours(
                    weekly=(day, day, day, day, day, day, ()),
                    closed_dates=("2026-05-01", "2026-07-01", "2026-12-25", "2026-12-26", "2026-12-27"),
                    half_days={"2026-12-24": ((32_400, 43_200),)},
                    closed_until="2026-12-31",
                ),
                **source,
            ),
            DutyRule(
                id="somewhere/deadline",
                trigger="opt_out",
                within_business_days=10,
                closed_dates=("2026-05-01", "2026-12-25"),
                **source,
            ),
        ),
    )


def test_the_body_of_a_pack_reads_back_as_the_pack(tmp_path: Path) -> None:
    result = checked(tmp_path, SOUND)
    assert decode_pack(result.body) == result.pack
    assert result.digest == document_digest("pack", result.body)


def test_how_a_file_is_laid_out_does_not_change_the_digest(tmp_path: Path) -> None:
    there = checked(tmp_path, SOUND).digest
    spaced = SOUND.replace("\n", "\n\n").replace(
        "[2026-12-25, 2026-05-01]", "[\n  2026-05-01,\n  2026-12-25, # both\n]"
    )
    assert checked(tmp_path, spaced).digest == there
    assert checked(tmp_path, SOUND.replace("2026-05-01", "2026-05-02")).digest != there
    assert there == "b3:30a242f5af1e3b6de3035b48ea3bcded4edd567c159f2912075227ae78e0bc74"


@pytest.mark.parametrize(("name", "text"), CASES.items())
def test_a_mistake_in_a_pack_is_refused_at_its_line(tmp_path: Path, name: str, text: str) -> None:
    whole = written_out(text)
    result = checked(tmp_path, whole)
    wanted = marked(whole)
    assert wanted, name
    assert refused(result.findings) == wanted, [str(finding) for finding in result.findings]
    assert result.pack is None
    with pytest.raises(Refused, match="the pack has mistakes"):
        usable(result)


def test_the_parts_that_the_cases_share_are_sound(tmp_path: Path) -> None:
    assert checked(tmp_path, written_out("HEAD\nRULE\n")).findings == ()


def test_a_mistake_in_a_rule_of_a_pack_is_refused_as_in_a_policy(tmp_path: Path) -> None:
    text = written_out(
        'HEAD\n[[rule]]\nid = "a"\nkind = "cap"\nlimit = 3\ncounts = ["voice"]\nwithin = "24h"\nSOURCE\n'
    )
    assert refused(checked(tmp_path, text).findings) == [(11, "missing_field")]


def test_the_zones_of_a_pack_must_be_known(tmp_path: Path) -> None:
    text = SOUND.replace("closed_dates = [2026-07-01]", 'zone = "Etc/GMT+66"')
    assert refused(checked(tmp_path, text, known_zones=frozenset({"Etc/GMT+6"})).findings) == [(24, "unknown_zone")]


def test_a_calendar_that_no_rule_names_is_warned_of(tmp_path: Path) -> None:
    result = checked(tmp_path, SOUND.replace('closed = ["national", "local"]', 'closed = "national"'))
    assert result.pack is not None
    assert [(finding.severity, finding.line, finding.code) for finding in result.findings] == [
        ("warned", 14, "useless_field")
    ]


def test_a_policy_that_names_a_pack_is_no_pack(tmp_path: Path) -> None:
    codes = {code for _, code in refused(checked(tmp_path, 'policy = "house"\n').findings)}
    assert codes == {"unknown_field", "missing_field"}


def test_a_pack_that_says_the_same_has_no_difference(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, SOUND)
    assert lines(pack, pack_of(tmp_path, SOUND.replace("[2026-12-25, 2026-05-01]", "[2026-05-01, 2026-12-25]"))) == []


def test_rules_that_came_and_went_are_named(tmp_path: Path) -> None:
    old = pack_of(tmp_path, SOUND)
    new = pack_of(tmp_path, SOUND.replace('id = "deadline"', 'id = "other"').replace('"2026.11"', '"2026.12"'))
    assert lines(old, new) == [
        "~ version: 2026.11 → 2026.12",
        "- rule somewhere/deadline: duty, a law",
        "+ rule somewhere/other: duty, a law",
    ]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("to = 21:00:00", "to = 20:00:00", "~ rule somewhere/hours: hours Mon: 09:00-21:00 → 09:00-20:00"),
        ('"CA-QC"', '"CA-QC", "CA-ON"', "+ rule somewhere/hours: jurisdictions: CA-ON"),
        ("closed_dates = [2026-07-01]", "", "- rule somewhere/hours: closed_dates: 2026-07-01"),
        ("until = 2026-12-31", "until = 2027-12-31", "~ rule somewhere/hours: closed_until: 2026-12-31 → 2027-12-31"),
        ("[2026-07-01]", "[2026-07-02]", "~ rule somewhere/hours: closed_dates: 2026-07-01 → 2026-07-02"),
        ("[2026-07-01]", '[2026-07-01]\nguard = "5m"', "+ rule somewhere/hours: guard: 5m"),
        ("[2026-07-01]", "[2026-07-01]\npersonal = true", "+ rule somewhere/hours: personal: true"),
        ("business_days = 10", "business_days = 5", "~ rule somewhere/deadline: business_days: 10 → 5"),
        (
            '"opt_out"',
            '"opt_out"\nunless = [{ consent = "written" }, { fact = "x", holds = false }]',
            "+ rule somewhere/deadline: unless: consent written; fact x is false",
        ),
        (
            "business_days = 10\nclosed =",
            "business_days = 10\neffective_from = 2026-12-01\nclosed =",
            "+ rule somewhere/deadline: effective_from: 2026-12-01",
        ),
        (
            "from = 00:00:00, to = 12:00:00 }, ",
            "from = 00:00:00, to = 13:00:00 }, ",
            "~ rule somewhere/hours: half-day 2026-12-24: 09:00-12:00 → 09:00-13:00",
        ),
        ('the law on holidays"', 'another law"', "~ calendar national: the law on holidays → another law"),
    ],
)
def test_a_changed_field_is_shown_as_it_is_written(tmp_path: Path, before: str, after: str, line: str) -> None:
    assert before in SOUND
    old, new = pack_of(tmp_path, SOUND), pack_of(tmp_path, SOUND.replace(before, after, 1))
    assert line in lines(old, new)
    assert lines(old, old) == []


def test_a_rule_of_another_kind_is_shown_with_its_fields(tmp_path: Path) -> None:
    old = pack_of(tmp_path, SOUND)
    cap = 'kind = "cap"\nlimit = 3\ncounts = ["voice"]\nwithin = "24h"\nboundary = "closed"\n'
    text = SOUND.replace('kind = "duty"\ntrigger = "opt_out"\nbusiness_days = 10\nclosed = "national"\n', cap)
    shown = lines(old, pack_of(tmp_path, text))
    assert "~ rule somewhere/deadline: kind: duty → cap" in shown
    assert "+ rule somewhere/deadline: within: 1d" in shown
    assert "- rule somewhere/deadline: trigger: opt_out" in shown
    assert "+ rule somewhere/deadline: counts: voice" in shown
