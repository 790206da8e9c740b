"""Contacts found and shown, their consent and their suppressions."""

from __future__ import annotations

import itertools

import pytest
from report_files import ReportFile, report_file

from dee_appliance.errors import Refused, Usage
from dee_appliance.runtime import reports

__all__ = ["report_file"]


def found(file: ReportFile, text: str, limit: int = 50) -> list[tuple[str, str]]:
    with file.engine().view() as view:
        return [(row.name, row.matched) for row in reports.contact_find(view, text, limit=limit)]


# -- finding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("hana@EXAMPLE.com", "email"),
        ("+1 206-555-0100", "phone"),
        ("K-8", "key"),
        ("  hana night ", "name"),
        ("HANA N", "name"),
        ("2065550100", "phone"),
        ("206 555", "phone"),
        ("@example.com", "email"),
    ],
)
def test_a_contact_is_found_by_what_people_type(report_file: ReportFile, text: str, matched: str) -> None:
    assert ("Hana Night", matched) in found(report_file, text)


def test_case_does_not_count_in_any_alphabet(report_file: ReportFile) -> None:
    assert found(report_file, "MÜLLER") == [("Zoë Müller", "last_name")]


def test_an_exact_name_gives_one_contact_and_a_part_gives_all(report_file: ReportFile) -> None:
    assert found(report_file, "ana@example.com") == [("Ana Replied", "email")]
    assert len(found(report_file, "example")) == 11
    assert len(found(report_file, "example", limit=3)) == 3


def test_an_id_is_found_by_its_beginning_even_when_erased(report_file: ReportFile) -> None:
    kim = report_file.contacts["kim"]
    with report_file.engine().view() as view:
        assert [row.contact for row in reports.contact_find(view, kim[:12])] == [kim]
        assert [row.contact for row in reports.contact_find(view, kim)] == [kim]


def test_what_was_erased_is_found_by_no_name(report_file: ReportFile) -> None:
    assert found(report_file, "Erased") == []


def test_what_nobody_has_gives_nothing_and_nothing_is_a_mistake(report_file: ReportFile) -> None:
    assert found(report_file, "nobody") == []
    with pytest.raises(Usage):
        found(report_file, "  ")


# -- showing -----------------------------------------------------------------------------------------------------------


def test_a_contact_is_shown_with_all_that_the_file_holds(report_file: ReportFile) -> None:
    with report_file.engine().view() as view:
        report = reports.contact_show(view, "K-8")
    assert (report.name, report.key, report.erased) == ("Hana Night", "K-8", False)
    assert report.profile["phone"] == "+12065550100"
    assert report.attributes["tier"] == "paid"
    assert report.zones == {"address": [], "declared": ["America/Los_Angeles"], "number": ["America/Los_Angeles"]}
    assert report.jurisdictions["number"] == ["US-WA"]
    assert report.local_now.local == "2026-11-21T03:06:49-08:00"
    assert [(run.plan, run.status) for run in report.runs] == [("welcome@1", "HELD"), ("notice@1", "ACTIVE")]
    assert [(one.channel, one.in_force) for one in report.consents] == [("email", True), ("voice", True)]


def test_the_own_chain_of_a_contact_has_the_entries_that_carry_its_links(report_file: ReportFile) -> None:
    ana = report_file.contacts["ana"]
    with report_file.engine().view() as view:
        report = reports.contact_show(view, ana)
        rows = view.database.execute(
            "SELECT a.body, a.leaf FROM contact_trail t JOIN audit a USING (seq) WHERE contact = ?", (ana,)
        )
    linked = [row for row in rows if '"cs":' in row[0]]
    assert report.entries == len(linked)
    assert report.head == linked[-1][1].hex()


def test_an_erased_contact_shows_no_data(report_file: ReportFile) -> None:
    with report_file.engine().view() as view:
        report = reports.contact_show(view, report_file.contacts["kim"])
    assert (report.erased, report.profile, report.attributes, report.name, report.key) == (True, {}, {}, "", "")


def test_the_timeline_of_a_contact_is_that_of_all_its_runs_in_order(report_file: ReportFile) -> None:
    with report_file.engine().view() as view:
        moments = list(reports.contact_timeline(view, "K-8"))
        part = list(reports.contact_timeline(view, "K-8", limit=2))
    assert [moment.seq for moment in moments] == sorted({moment.seq for moment in moments})
    assert {moment.run for moment in moments} == {None, report_file.run("hana"), report_file.run("hana", "notice")}
    assert part == moments[-2:]
    assert moments[0].text == "contact added"
    assert moments[1].text == "consent granted for email, every purpose (import)"


def test_a_contact_that_is_not_there_is_refused(report_file: ReportFile) -> None:
    with report_file.engine().view() as view:
        for ask in (reports.contact_show, reports.contact_timeline, reports.consent_show):
            with pytest.raises(Refused, match="nobody@example"):
                ask(view, "nobody@example.com")


# -- consent -----------------------------------------------------------------------------------------------------------


def test_consent_is_shown_with_every_change_and_its_entry(report_file: ReportFile) -> None:
    with report_file.engine().view() as view:
        report = reports.consent_show(view, "K-5")
        lines = {line.seq: line for line in reports.log(view)}
    assert [(one.outcome, one.channel, one.source) for one in report.history] == [
        ("granted", "email", "import"),
        ("granted", "voice", "import"),
        ("revoked", "email", "letter-7"),
    ]
    assert all(lines[one.entry].action == "consent" for one in report.history)
    assert [(one.channel, one.granted, one.in_force) for one in report.consents] == [
        ("email", False, False),
        ("voice", True, True),
    ]


# -- suppression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "contact", "channels", "scopes"),
    [
        ("stranger@example.org", None, ("email", "sms", "voice"), ["*"]),
        ("fay@example.com", "fay", ("email",), ["channel:email"] * 2),
        ("K-6", "fay", ("email",), ["channel:email"] * 2),
        ("K-9", "ivy", (), ["plan:notice"]),
        ("K-1", "ana", (), []),
        ("nobody@example.org", None, (), []),
        ("+12025550199", None, (), []),
    ],
)
def test_whoever_is_asked_about_is_suppressed_or_not(
    report_file: ReportFile, text: str, contact: str | None, channels: tuple[str, ...], scopes: list[str]
) -> None:
    with report_file.engine().view() as view:
        check = reports.suppress_check(view, text)
    assert check.contact == (None if contact is None else report_file.contacts[contact])
    assert (check.suppressed, check.channels) == (bool(scopes), channels)
    assert [row.scope for row in check.suppressions] == scopes


def test_what_is_no_address_cannot_be_checked(report_file: ReportFile) -> None:
    with report_file.engine().view() as view:
        for text in ("c_nobody", "not an @ address", "+1"):
            with pytest.raises(Refused):
                reports.suppress_check(view, text)


def test_suppressions_are_listed_by_scope_and_reason(report_file: ReportFile) -> None:
    with report_file.engine().view() as view:
        rows = list(reports.suppress_list(view))
        for scope, reason in itertools.product(["", "*", "plan:notice"], ["", "unsubscribed", "complaint"]):
            expected = [row for row in rows if scope in ("", row.scope) and reason in ("", row.reason)]
            assert list(reports.suppress_list(view, scope=scope, reason=reason)) == expected
        assert list(reports.suppress_list(view, limit=1)) == rows[:1]
    assert {(row.kind, row.address, row.reason) for row in rows} == {
        ("address", "", "do_not_call"),
        ("email", "fay@example.com", "unsubscribed"),
        ("contact", "", "unsubscribed"),
        ("contact", "", "complaint"),
    }
    assert all(row.at is not None for row in rows)
