"""The parts of the compliance report that compute for themselves: hours, deadlines, PDF, cells."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_builder import DAY_S, HOUR_S, hours, zone_body

from dee_appliance.cli.pdf import Page, encode, width_of, wrapped
from dee_appliance.cli.report_blocks import Block
from dee_appliance.cli.report_writers import csv_text, markdown, pdf
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import CalendarEnded, Window, ZoneTable, open_at, parse_utc
from dee_appliance.kernel.e1.rulebook import window_of
from dee_appliance.runtime.compliance_duties import deadline, within_text
from dee_appliance.runtime.compliance_hours import Hours, is_open
from dee_appliance.runtime.compliance_log import Line
from dee_appliance.runtime.compliance_people import Person
from dee_appliance.runtime.compliance_rules import RuleSet

TABLE = ZoneTable(msgspec.json.decode(zone_body()))

# -- hours -----------------------------------------------------------------------------------------------------------

spans = st.lists(
    st.tuples(st.integers(0, DAY_S - 1), st.integers(1, DAY_S)).map(lambda one: (one[0], one[0] + one[1])), max_size=2
).map(tuple)
days = st.integers(20_770, 20_790)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    closed = sorted(draw(st.sets(days, max_size=3)))
    own = sorted(draw(st.dictionaries(days, spans, max_size=3)).items())
    until = draw(st.none() | days)
    return Window(
        weekly=tuple(draw(spans) for _ in range(7)), closed_days=tuple(closed), dates=tuple(own), closed_until=until
    )


@given(windows(), st.sampled_from(TABLE.zones()), st.integers(20_771 * DAY_S, 20_789 * DAY_S))
def test_a_window_is_read_here_as_the_gate_reads_it(window: Window, zone: str, utc: int) -> None:
    try:
        wanted = open_at(TABLE, zone, window, utc)
    except CalendarEnded:
        wanted = False
    assert is_open(window, utc + TABLE.offset_at(zone, utc)) == wanted


# -- deadlines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "received", "last"),
    [
        ({"within_s": 172_800}, "2026-11-20T10:00:00Z", "2026-11-22T10:00:00Z"),
        # ten business days from a Friday, with Thanksgiving closed
        (
            {"within_business_days": 10, "closed_dates": ("2026-11-26",)},
            "2026-11-20T10:00:00Z",
            "2026-12-07T23:59:59Z",
        ),
        ({"within_business_days": 1}, "2026-11-21T10:00:00Z", "2026-11-23T23:59:59Z"),
        ({"within_business_days": 1}, "2026-11-23T23:59:59Z", "2026-11-24T23:59:59Z"),
        ({"within_months": 1}, "2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z"),
        ({"within_months": 12}, "2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z"),
    ],
)
def test_a_duty_ends_at_its_last_second(rule: dict[str, object], received: str, last: str) -> None:
    duty = policies.DutyRule(id="duty", trigger="opt_out", **rule)  # type: ignore[arg-type]
    assert deadline(duty, parse_utc(received)) == parse_utc(last)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"within_s": 172_800}, "2 days"),
        ({"within_s": DAY_S}, "1 day"),
        ({"within_s": 6 * HOUR_S}, "6 h"),
        ({"within_s": 300}, "300 s"),
        ({"within_business_days": 10}, "10 business days"),
        ({"within_months": 1}, "1 month"),
    ],
)
def test_a_deadline_is_written_in_words(rule: dict[str, int], words: str) -> None:
    assert within_text(policies.DutyRule(id="duty", trigger="opt_out", **rule)) == words  # type: ignore[arg-type]


# -- writers -----------------------------------------------------------------------------------------------------------


def block(*rows: tuple[str, ...], right: tuple[int, ...] = ()) -> Block:
    return Block(name="sends", title="Sends", heads=("plan", "count"), rows=rows, right=right)


def test_a_cell_cannot_break_out_of_its_table() -> None:
    told = markdown("A | title", [block(("a|b`<script>*", "1"))]).decode()
    assert "a\\|b\\`\\<script>\\*" in told
    assert told.splitlines()[-1].count(" | ") == 1


@pytest.mark.parametrize("cell", ["=1+1", "+1 cmd", "-x", "@here"])
def test_a_cell_is_no_formula_in_a_spreadsheet(cell: str) -> None:
    assert f"sends,'{cell},-3\r\n" in csv_text("t", [block((cell, "-3"))]).decode()


def offsets_hold(document: bytes) -> int:
    """Check the cross-reference table by hand and return the number of objects."""
    start = int(document.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    lines = document[start:].split(b"\n")
    assert lines[0] == b"xref"
    count = int(lines[1].split()[1])
    for number in range(1, count):
        place = int(lines[2 + number][:10])
        assert document[place:].startswith(b"%d 0 obj\n" % number)
    for found in re.finditer(rb"<< /Length (\d+) >>\nstream\n", document):
        assert document[found.end() + int(found[1]) :].startswith(b"\nendstream")
    return count


def texts(document: bytes) -> str:
    """Everything that the pages show."""
    shown = re.findall(rb"\((.*?)(?<!\\)\) Tj", document)
    return "\n".join(re.sub(rb"\\(.)", rb"\1", one).decode("cp1252") for one in shown)


def test_a_pdf_is_whole_and_the_same_each_time() -> None:
    rows = [(f"plan-{number}", str(number)) for number in range(200)]
    document = pdf("A title", [block(*rows, right=(1,))])
    assert document == pdf("A title", [block(*rows, right=(1,))])
    pages = document.count(b"/Type /Page ")
    assert pages > 3
    assert offsets_hold(document) == 6 + 2 * pages
    told = texts(document).splitlines()
    assert all(f"plan-{number}" in told for number in range(200))
    assert told.count("count") == pages


def test_a_pdf_shows_brackets_and_letters_that_its_font_does_not_have() -> None:
    document = pdf("§ 7 (UWG)", [block(("a (b) \\ c", "Жук"))])
    offsets_hold(document)
    assert "a (b) \\ c" in texts(document)
    assert "\\u0416\\u0443\\u043a" in texts(document)
    assert encode("§ 7 (UWG)").hex().encode() in document


@given(st.text(st.characters(max_codepoint=0x17F), max_size=200), st.integers(20, 200))
def test_a_text_is_broken_into_lines_that_fit_and_nothing_is_lost(text: str, points: int) -> None:
    encoded = encode(text)
    lines = wrapped(encoded, 8, points * 1000)
    assert all(width_of(line, 8) <= points * 1000 or len(line) == 1 for line in lines)
    assert b"".join(lines).replace(b" ", b"") == encoded.replace(b" ", b"")


def test_a_row_longer_than_a_page_goes_on_on_the_next() -> None:
    page = Page("long")
    page.table(("what", "value"), [("word " * 4_000, "x")], ())
    document = page.document()
    assert document.count(b"/Type /Page ") > 1
    assert texts(document).count("word") == 4_000
    assert not re.search(rb" -\d+ Td", document)


# -- which windows stand for whom ----------------------------------------------------------------------------------------

NOON = parse_utc("2026-11-18T17:00:00Z")
"""12:00 in New York, 17:00 in London, 22:30 in Kolkata."""
OFFICE = hours()


def outside(
    tick: int, rule: policies.WindowRule, asked: tuple[str, ...] = ("window",), **person: Any
) -> tuple[int, int]:
    """How many sends at this tick were outside the window, and how many windows were lifted."""
    ladder: list[object] = [[name, "pass"] for name in asked]
    core = {"action": "call", "outcome": "dispatched", "tick": tick, "detail": {"gate": ladder}}
    line = msgspec.convert({"core": core, "seq": 1, "input": {"seq": 1}}, Line)
    looked = Hours()
    rules = RuleSet({rule.id: rule}, ((rule, window_of(rule.hours, rule.guard_s)),))
    looked.look(line, "voice", Person(**{"zones": ("America/New_York",), **person}), rules, TABLE)
    (told,) = looked.channels.values()
    return told.outside, told.exempt


def window(**more: Any) -> policies.WindowRule:
    return policies.WindowRule(id="window", hours=OFFICE, **more)


@pytest.mark.parametrize(
    ("tick", "rule", "person", "wanted"),
    [
        (NOON, window(), {}, 0),
        (NOON - 4 * HOUR_S, window(), {}, 1),
        (NOON + 6 * HOUR_S - 1, window(), {}, 0),
        (NOON + 6 * HOUR_S, window(), {}, 1),
        (NOON, window(), {"zones": ("America/New_York", "Asia/Kolkata")}, 1),
        (NOON, window(), {"zones": ()}, 1),
        (NOON, window(), {"zones": ("Mars/Olympus",)}, 1),
        (NOON, window(zone="Asia/Kolkata"), {}, 1),
        (NOON, window(personal=True), {"hours": [[(9 * HOUR_S, 12 * HOUR_S)]] * 7}, 1),
        (NOON - 1, window(personal=True), {"hours": [[(9 * HOUR_S, 12 * HOUR_S)]] * 7}, 0),
        (NOON + 5 * HOUR_S, window(guard_s=HOUR_S), {}, 1),
        (NOON + 5 * HOUR_S - 1, window(guard_s=HOUR_S), {}, 0),
        (NOON + 9 * HOUR_S, window(jurisdictions=("GB",)), {"jurisdictions": ("US",)}, 0),
        (NOON + 9 * HOUR_S, window(jurisdictions=("US",)), {"jurisdictions": ("US-NY",)}, 1),
        (NOON + 9 * HOUR_S, window(subscriber="individual"), {"subscriber": "business"}, 0),
        (NOON + 9 * HOUR_S, window(effective_from="2026-11-19"), {}, 0),
        (NOON + 9 * HOUR_S, window(effective_until="2026-11-19"), {}, 1),
        (NOON + 13 * HOUR_S, window(effective_until="2026-11-19"), {}, 0),
    ],
)
def test_a_send_is_outside_a_window_that_stands_for_it(
    tick: int, rule: policies.WindowRule, person: dict[str, Any], wanted: int
) -> None:
    assert outside(tick, rule, **person) == (wanted, 0)


def test_a_window_that_an_exemption_has_lifted_is_counted_as_such() -> None:
    lifted = window(unless=(policies.Ground(consent="written"),))
    assert outside(NOON + 9 * HOUR_S, lifted, asked=("address",)) == (0, 1)
    assert outside(NOON + 9 * HOUR_S, lifted) == (1, 0)
