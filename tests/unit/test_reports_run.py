"""One run explained: what happened, what comes next in each state, which verbs are legal, and what its entries prove."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import msgspec
import pytest
from report_files import START, WELCOME, ReportFile, made_file, moving_file, report_file, serve_until
from store_files import bare_connection

from dee_appliance import Engine
from dee_appliance.engine import Choice, VerbName
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1 import machine
from dee_appliance.kernel.e1.encoding import leaf_hash
from dee_appliance.runtime.reports import RunReport, run_show
from dee_appliance.runtime.reports_next import REASONS, next_action, reason_text
from dee_appliance.runtime.reports_runs import find_run
from dee_appliance.runtime.reports_view import Times

__all__ = ["moving_file", "report_file"]


def show(file: ReportFile, name: str, plan: str = "welcome", *, limit: int | None = None) -> RunReport:
    run = file.run(name, plan)
    with file.engine().view() as view:
        return run_show(view, run, limit=limit)


def told(report: RunReport) -> list[tuple[str, str, str]]:
    return [(moment.mark, moment.step, moment.text) for moment in report.timeline]


# -- what happened -----------------------------------------------------------------------------------------------------


def test_a_reply_is_told_with_the_wait_it_ended(report_file: ReportFile) -> None:
    report = show(report_file, "ana")
    assert told(report) == [
        ("done", "", "entered welcome@1, enrolment 1 → hello"),
        ("done", "hello", "e-mail handed to the provider"),
        ("done", "hello", "e-mail accepted by the provider → listen"),
        ("event", "listen", "email.replied about hello"),
        ("done", "listen", 'replied("hello") is true after 9s → won'),
        ("done", "won", "ends as won"),
    ]
    assert (report.status, report.reason, report.name) == ("COMPLETED", "won", "Ana Replied")


def test_a_retried_send_is_told_with_both_attempts(report_file: ReportFile) -> None:
    report = show(report_file, "dora")
    sends = [(moment.outcome, moment.attempt) for moment in report.timeline if moment.action == "send_email"]
    assert sends == [("dispatched", 1), ("rejected", 1), ("dispatched", 2), ("accepted", 2)]
    assert report.timeline[2].text == "e-mail not sent: transient, deferred; next attempt 2026-11-18 11:06:49 +00:00"
    assert {moment.message_id for moment in report.timeline if moment.send} == {
        f"<{report.timeline[1].send}@example.com>"
    }


def test_a_moment_has_both_clocks(report_file: ReportFile) -> None:
    report = show(report_file, "hana")
    held = report.timeline[-1]
    assert (held.at.utc, held.at.local, held.at.tick) == ("2026-11-21T11:06:40Z", "2026-11-21T03:06:40-08:00", 259_200)
    assert (report.zone, report.since) == ("America/Los_Angeles", held.at)


def test_a_contact_without_a_zone_is_shown_in_utc_alone(report_file: ReportFile) -> None:
    report = show(report_file, "zoë")
    assert (report.zone, report.started.local) == (None, None)


def test_the_gate_is_told_rule_by_rule_with_what_it_saw(report_file: ReportFile) -> None:
    held = show(report_file, "hana").timeline[-1]
    ladder = {rung.rule: (rung.kind, rung.verdict, rung.values) for rung in held.gate}
    night = "in America/Los_Angeles (Sat 03:06:40)"
    assert ladder["night"] == ("window", "hold", f"Mon-Sun 08:00-21:00 {night}")
    assert ladder["plan/calling_hours"] == (
        "window",
        "hold",
        f"Mon-Sun 09:00-18:00 {night}, and the contact's own hours",
    )
    assert ladder["suppression"] == ("suppression", "pass", "")
    assert ladder["plan/daily_sends"] == ("daily_limit", "pass", "0 of 50 on 2026-11-21")
    assert ladder["money"][2] == "0.09 USD of 5.00 USD, this send 0.20 USD"
    assert [rung.cite for rung in held.gate if rung.rule == "night"] == ["47 CFR 64.1200(c)(1)"]
    assert held.consent is not None
    assert (held.consent.channel, held.consent.consent_class, held.consent.source) == ("voice", "express", "import")


def test_a_gate_is_explained_by_the_policy_of_its_time(report_file: ReportFile, tmp_path: Path) -> None:
    engine = copied(report_file, tmp_path)
    newer = tmp_path / "newer.toml"
    newer.write_text('policy = "newer"\ncurrency = "USD"\n[[rule]]\nid = "suppression"\nkind = "suppression"\n')
    engine.set_policy(newer)
    with engine.view() as view:
        held = run_show(view, report_file.run("hana")).timeline[-1]
    assert "Mon-Sun 08:00-21:00 in America/Los_Angeles (Sat 03:06:40)" in [rung.values for rung in held.gate]


def test_a_message_keeps_the_domain_it_was_sent_with(report_file: ReportFile, tmp_path: Path) -> None:
    engine = copied(report_file, tmp_path)
    before = show(report_file, "ana").timeline[1].message_id
    engine.set_setting("sender.domain", "other.example")
    with engine.view() as view:
        assert run_show(view, report_file.run("ana")).timeline[1].message_id == before


def test_a_limit_keeps_the_newest_and_says_how_many_are_left_out(report_file: ReportFile) -> None:
    whole, part = show(report_file, "ana"), show(report_file, "ana", limit=2)
    assert part.timeline == whole.timeline[-2:]
    assert (part.left_out, whole.left_out) == (4, 0)
    assert part.evidence == whole.evidence


def test_a_run_that_is_not_there_is_refused(report_file: ReportFile) -> None:
    with report_file.engine().view() as view, pytest.raises(Refused, match="run_nobody"):
        run_show(view, "run_nobody")


# -- what comes next ---------------------------------------------------------------------------------------------------


def following(file: ReportFile, name: str, plan: str = "welcome") -> tuple[str, str, str | None]:
    found = show(file, name, plan).next
    return found.what, found.why, None if found.at is None else found.at.utc


def test_a_wait_says_for_what_and_until_when(moving_file: ReportFile) -> None:
    assert following(moving_file, "ana") == (
        'won as soon as replied("hello"), else worth',
        'waiting for replied("hello")',
        "2026-11-21T19:06:40Z",
    )


def test_a_pause_between_attempts_says_when_the_next_one_is(moving_file: ReportFile) -> None:
    what, why, at = following(moving_file, "dora")
    assert (what, why) == ("attempt 2 of hello", "the last one was rejected transient")
    assert at == "2026-11-18T19:06:49Z"


def test_a_task_says_what_a_person_is_to_do(moving_file: ReportFile) -> None:
    assert following(moving_file, "hana", "notice") == (
        "a person does the task (good), else done",
        "Look whether the account is right.",
        "2026-11-28T19:06:40Z",
    )


def test_a_call_says_by_when_its_outcome_is_due(moving_file: ReportFile) -> None:
    what, why, at = following(moving_file, "hana", "phone")
    assert what == "the outcome of the call"
    assert "without an outcome it is unknown" in why
    assert at == "2026-11-18T19:10:40Z"


def test_a_later_start_says_when(moving_file: ReportFile) -> None:
    assert following(moving_file, "jo", "phone") == (
        "starts at ring",
        "the enrolment has a start time",
        "2026-11-19T19:06:40Z",
    )


def test_a_send_behind_a_halt_says_who_halted(report_file: ReportFile) -> None:
    what, why, at = following(report_file, "hana", "notice")
    assert (what, at) == ("the gate is asked about text", None)
    assert "behind halt (plan:notice) until a person releases it: by operator" in why


def test_a_send_behind_a_daily_limit_says_how_full_it_is_and_when_it_opens(tmp_path: Path) -> None:
    engine, contacts = made_file(tmp_path, START)
    (tmp_path / "welcome.toml").write_text(WELCOME.replace("version = 1", "version = 2").replace("50", "2"))
    engine.publish_plan(tmp_path / "welcome.toml")
    engine.enroll("welcome", sorted(contacts.values())[:4])
    serve_until(engine, START)
    with engine.view() as view:
        rows = [run_show(view, row[0]) for row in view.database.execute("SELECT run FROM run ORDER BY run_no")]
    queued = [row.next for row in rows if row.status == "ACTIVE"]
    assert queued
    assert "behind plan/daily_sends (plan:welcome): 2 of 2 on 2026-11-18 (entry" in queued[0].why
    assert queued[0].at is not None
    assert queued[0].at.utc == "2026-11-19T00:00:00Z"


def test_a_hold_says_until_when(report_file: ReportFile) -> None:
    what, why, at = following(report_file, "hana")
    assert what == "the gate is asked about ring again"
    assert why == "outside_hours(ring): it is outside the permitted hours"
    assert at == "2026-11-21T17:00:00Z"


def test_what_is_paused_waits_for_a_person_and_keeps_its_time(report_file: ReportFile) -> None:
    what, why, at = following(report_file, "gil")
    assert (what, at) == ("nothing before a person resumes it", None)
    assert why == "paused by an operator, 2d23h59m51s were left"


def test_an_unknown_outcome_offers_to_resolve_it(report_file: ReportFile) -> None:
    found = show(report_file, "ben").next
    assert "manual resolution as delivered, not-delivered or resend" in found.what
    assert [choice.command.split(" ", 4)[4:] for choice in found.choices] == [
        ["--as delivered"],
        ["--as not-delivered"],
        ["--as resend --accept-duplicate-risk"],
        [],
    ]


def test_what_is_in_flight_says_what_a_crash_would_mean(moving_file: ReportFile) -> None:
    with moving_file.engine().view() as view:
        run = find_run(view, moving_file.run("ana")).run
        flying = msgspec.structs.replace(run, status="ACTIVE", block="flight", due=None, step="hello")
        found = next_action(view, flying, Times(view))
    assert found.what == "the answer about attempt 0 of hello"
    assert "the outcome is unknown" in found.why


def test_a_file_that_may_not_send_says_so(report_file: ReportFile, tmp_path: Path) -> None:
    engine = copied(report_file, tmp_path)
    engine.release("plan:notice")
    with engine.view() as view:
        found = run_show(view, report_file.run("hana", "notice"), disarmed="this is a copy").next
    assert found.why.endswith("nothing leaves this file: this is a copy")


def reasons_of_the_kernel() -> set[str]:
    """Every reason that stands in the kernel's source: of failures, of rules, of waits that cannot be computed."""
    found = set()
    for path in sorted(Path(machine.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            named = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            placed = {
                "fail": node.args[2:3],
                "WaitFailed": node.args[:1],
                "failed": node.args[1:2],
                "RuleAnswer": [],
            }.get(node.func.id)
            for value in [] if placed is None else [*placed, *named]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found.add(value.value)
    return found


def test_every_reason_of_the_kernel_has_words() -> None:
    reasons = reasons_of_the_kernel()
    assert {"outcome_unknown", "no_consent", "unknown_zone", "outside_hours"} <= reasons
    assert reasons - REASONS.keys() == set()
    assert reason_text("denied:no_consent", "hello") == "denied:no_consent(hello): no consent is in force"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ana", "ben", "cleo", "gil", "hana", "kim"])
def test_the_verbs_that_are_offered_are_those_that_work(report_file: ReportFile, tmp_path: Path, name: str) -> None:
    run = report_file.run(name)
    offered = {
        choice.command.partition(run)[0].split()[2]
        + choice.command.partition(run)[2].removesuffix(" --accept-duplicate-risk")
        for choice in show(report_file, name).next.choices
    }
    verbs: list[tuple[VerbName, Choice]] = [
        *((verb, "") for verb in ("pause", "resume", "cancel", "retry", "skip")),
        *(("resolve", choice) for choice in ("delivered", "not-delivered", "resend")),
    ]
    working = set()
    for position, (verb, choice) in enumerate(verbs):
        folder = tmp_path / str(position)
        folder.mkdir()
        if copied(report_file, folder).operate(verb, [run], choice=choice).outcomes == {"done": 1}:
            working.add(f"{verb} --as {choice}" if choice else verb)
    assert offered == working


def copied(file: ReportFile, folder: Path) -> Engine:
    target = folder / "copy.db"
    shutil.copy(file.path, target)
    return Engine(target)


# -- the evidence ------------------------------------------------------------------------------------------------------


def test_the_evidence_names_every_entry_and_the_head(report_file: ReportFile) -> None:
    report = show(report_file, "ana")
    assert report.evidence.entries == 6
    assert (report.evidence.first, report.evidence.last) == (report.timeline[0].seq, report.timeline[-1].seq)
    assert report.evidence.chain_ok
    assert report.evidence.fault == ""


@pytest.mark.parametrize("rehash", [False, True])
def test_a_changed_entry_breaks_the_chain_of_its_run(report_file: ReportFile, tmp_path: Path, *, rehash: bool) -> None:
    engine = copied(report_file, tmp_path)
    seq = show(report_file, "ana").timeline[2].seq
    with bare_connection(engine.path) as connection:
        ((body,),) = connection.execute("SELECT body FROM audit WHERE seq = ?", (seq,)).fetchall()
        forged = str(body).replace('"outcome":"accepted"', '"outcome":"rejected"')
        leaf = leaf_hash(forged.encode())
        changed = "?" if rehash else "coalesce(leaf, ?)"
        connection.execute(
            f"INSERT OR REPLACE INTO audit SELECT seq, ?, {changed} FROM audit WHERE seq = ?", (forged, leaf, seq)
        )
    with engine.view() as view:
        broken = run_show(view, report_file.run("ana")).evidence
        whole = run_show(view, report_file.run("ben")).evidence
    assert not broken.chain_ok
    # With its hash made to fit, the entry looks whole; it is the next one that does not follow from it.
    assert broken.fault.startswith(f"entry {seq}: its hash" if not rehash else "entry ")
    assert whole.chain_ok


def test_a_missing_entry_breaks_the_chain_of_its_run(report_file: ReportFile, tmp_path: Path) -> None:
    engine = copied(report_file, tmp_path)
    last = show(report_file, "ana").timeline[-1].seq
    with bare_connection(engine.path) as connection:
        connection.execute("DELETE FROM run_trail WHERE seq = ?", (last,))
    with engine.view() as view:
        evidence = run_show(view, report_file.run("ana")).evidence
    assert (evidence.chain_ok, evidence.fault[:22]) == (False, "the run has 6 entries ")
