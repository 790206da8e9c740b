"""Asking the gate about a send that nobody intends: the same gate, every kind of rule in words, and nothing is left behind."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from gate_files import DAY_S, EIGHT_IN_NEW_YORK, HOUR_S, make_gate_file
from report_files import START

from dee_appliance import Engine
from dee_appliance.errors import Refused, Usage
from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.kernel.e1.input import ListAdd, ListUse
from dee_appliance.runtime.gate_ask import GateReport
from dee_appliance.runtime.reports import RunFilter, select_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, made once."""
    return make_gate_file(tmp_path_factory.mktemp("gate")).path.parent


@pytest.fixture
def engine(made: Path, tmp_path: Path) -> Engine:
    """A copy of the file."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Engine(tmp_path / "gate.db")


def asked(engine: Engine, contact: str, channel: Any, **more: Any) -> GateReport:
    """Ask for marketing, unless a plan says what for."""
    purpose = None if "plan" in more else "marketing"
    return engine.ask_gate(contact, channel=channel, **{"purpose": purpose, **more})


def rung(report: GateReport, rule: str) -> tuple[str, str]:
    """The answer of one rule, and what it saw."""
    (found,) = [one for one in report.ladder if one.rule == rule]
    return found.verdict, found.values


def load_list(engine: Engine, *contacts: str, age_days: int) -> None:
    """Bring a list into use that is so old and has the numbers of these contacts."""
    with engine.view() as view:
        tokens = tuple(view.state.contact(view.resolve_contact(one)).tokens["phone"] for one in contacts)
    use = ListUse(list="dnc", version=1, as_of=START - age_days * DAY_S, count=len(tokens))
    engine.submit(ListAdd(list="dnc", version=1, tokens=tokens), use)


def implied(engine: Engine, basis: str) -> None:
    """Record an implied consent of yesterday."""
    more: dict[str, Any] = {"consent_class": "implied", "basis": basis, "obtained": START - DAY_S}
    engine.set_consent("K-4", "email", granted=True, **more)


def sent(engine: Engine, plan: str, contact: str) -> str:
    """Send by a plan, and return the run."""
    engine.enroll(plan, [contact])
    engine.serve(until_idle=True)
    with engine.view() as view:
        return list(select_runs(view, RunFilter(contact=view.resolve_contact(contact), plan=plan)))[-1].run


# -- the same gate -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plan", "contact"), [("letter", "K-4"), ("note", "K-2"), ("letter", "K-3")])
def test_what_it_says_is_what_a_send_is_told_a_moment_later(engine: Engine, plan: str, contact: str) -> None:
    engine.use_pack(str(engine.path.parent / "house.toml"))
    before = asked(engine, contact, None, plan=plan, step="it")
    run = sent(engine, plan, contact)
    (send,) = engine.why(run).runs[0].sends
    told = [one for one in send.gate if one.rule != "send_by"]
    assert list(before.ladder) == told
    assert (before.verdict == "allow") is (send.outcome == "accepted")


def test_a_send_that_is_held_is_held_until_the_instant_that_was_said(engine: Engine) -> None:
    load_list(engine, age_days=1)
    engine.set_fact("licensed", value=True)
    before = asked(engine, "K-1", None, plan="ring", step="it")
    assert (before.verdict, before.rule, before.reason) == ("hold", "hours", "outside_hours")
    assert before.next is not None
    assert before.next.utc == format_utc(EIGHT_IN_NEW_YORK)
    run = sent(engine, "ring", "K-1")
    held = next(line for line in engine.run(run).timeline if line.outcome == "held")
    assert held.text == "call held by hours until 2026-11-18 08:00 -05:00"
    assert [one for one in held.gate if one.rule != "send_by"] == list(before.ladder)


def test_asking_changes_no_byte_of_the_file(engine: Engine) -> None:
    digest = hashlib.sha256(engine.path.read_bytes()).digest()
    asked(engine, "K-1", "voice")
    asked(engine, "K-2", None, plan="note", step="it", at=START + DAY_S)
    assert hashlib.sha256(engine.path.read_bytes()).digest() == digest


# -- every kind, in words ----------------------------------------------------------------------------------------------


def test_a_list_that_was_never_loaded_refuses(engine: Engine) -> None:
    report = asked(engine, "K-1", "voice")
    assert (report.verdict, report.rule, report.reason) == ("deny", "registry", "list_missing")
    assert rung(report, "registry") == ("deny", "the list dnc was never loaded")


def test_a_list_says_its_version_its_age_and_who_is_on_it(engine: Engine) -> None:
    load_list(engine, "K-1", age_days=3)
    version = "version 1 of 2026-11-15 (3 days old, entry "
    on, values = rung(asked(engine, "K-1", "voice"), "registry")
    assert on == "deny"
    assert values.startswith(f"on dnc: dnc {version}")
    off, values = rung(asked(engine, "K-2", "voice"), "registry")
    assert off == "pass"
    assert values.startswith(f"not on dnc {version}")


def test_a_list_that_is_too_old_says_how_old(engine: Engine) -> None:
    load_list(engine, age_days=31)
    assert rung(asked(engine, "K-1", "voice"), "registry")[0] == "pass"
    verdict, values = rung(asked(engine, "K-1", "voice", at=START + 1), "registry")
    assert verdict == "deny"
    assert values.startswith("the list dnc is too old: version 1 of 2026-10-18 (31 days old, entry ")
    assert values.endswith("), at most 31 days")


def test_a_suppression_says_why_and_which_entry(engine: Engine) -> None:
    engine.suppress("ana@example.com", reason="complaint")
    with engine.view() as view:
        entry = view.log_size - 1
    report = asked(engine, "K-1", "email")
    assert (report.verdict, report.reason) == ("deny", "suppressed")
    assert rung(report, "stop") == ("deny", f"complaint (*, entry {entry})")


def test_consent_says_what_it_relies_on_or_what_it_lacks(engine: Engine) -> None:
    assert rung(asked(engine, "K-4", "email"), "asked")[1].startswith("email express (import 2026-11-18, entry ")
    engine.set_consent("K-4", "email", granted=False)
    assert rung(asked(engine, "K-4", "email"), "asked") == ("deny", "none in force")
    implied(engine, "purchase")
    assert rung(asked(engine, "K-4", "email"), "asked") == ("deny", "none in force"), "only the person gives it again"
    engine.set_consent("K-4", "email", granted=True, expires=START + DAY_S)
    implied(engine, "inquiry")
    assert rung(asked(engine, "K-4", "email"), "asked")[1].startswith(
        "consent implied by inquiry, which does not count here: consent of class express or written or implied"
    )
    implied(engine, "purchase")
    assert rung(asked(engine, "K-4", "email"), "asked")[0] == "pass"
    later = asked(engine, "K-4", "email", at=START + 740 * DAY_S)
    assert rung(later, "asked") == ("deny", "consent implied by purchase counts for 24 months, which have passed")
    assert later.reason == "consent_expired"


def test_facts_say_who_recorded_what_and_what_nobody_has(engine: Engine) -> None:
    unknown = "nobody has recorded whether licensed, not so: the contact has landline"
    assert rung(asked(engine, "K-2", "voice"), "licence") == ("deny", unknown)
    assert rung(asked(engine, "K-1", "voice"), "licence") == ("pass", "the contact has landline")
    engine.set_fact("licensed", value=False)
    with engine.view() as view:
        entry = view.log_size - 1
    recorded = f"licensed is recorded as not so (entry {entry}), not so: the contact has landline"
    assert rung(asked(engine, "K-2", "voice"), "licence") == ("deny", recorded)
    engine.set_fact("licensed", value=True)
    assert rung(asked(engine, "K-2", "voice"), "licence") == ("pass", f"licensed is recorded (entry {entry + 1})")


def test_hours_say_the_time_there_and_the_next_opening(engine: Engine) -> None:
    load_list(engine, age_days=1)
    engine.set_fact("licensed", value=True)
    report = asked(engine, "K-2", "voice")
    words = "Mon-Fri 08:00-21:00 in America/Los_Angeles (Wed 03:06:40), nothing in the last 5m"
    assert rung(report, "hours") == ("hold", words)
    assert report.next is not None
    assert [(one.zone, one.local) for one in report.next.clocks] == [
        ("America/Los_Angeles", "2026-11-18T08:00:00-08:00")
    ]
    friday = asked(engine, "K-2", "voice", at=EIGHT_IN_NEW_YORK + 2 * DAY_S + 6 * HOUR_S)
    assert "; 2026-11-20 is a closed date" in rung(friday, "hours")[1]
    assert friday.next is not None
    assert friday.next.utc == "2026-11-23T16:00:00Z"
    ended = asked(engine, "K-2", "voice", at=START + 60 * DAY_S)
    assert (ended.verdict, ended.reason, ended.hours_open) == ("deny", "list_stale", None)
    assert "; the calendar of closed dates ends on 2026-12-31" in rung(ended, "hours")[1]


def test_hours_beyond_the_zone_table_say_where_it_ends(engine: Engine) -> None:
    verdict, words = rung(asked(engine, "K-2", "voice", at=START + 20 * 366 * DAY_S), "hours")
    assert (verdict, "the time-zone table ends on 2041-01-01" in words) == ("deny", True)


def test_a_cap_says_how_many_which_entries_and_when_the_next_one_leaves(engine: Engine) -> None:
    engine.set_fact("licensed", value=True)
    for _ in range(2):
        sent(engine, "letter", "K-4")
    with engine.view() as view:
        entries = [touch.entry for touch in view.state.touches.history(view.resolve_contact("K-4"), 0)]
    report = asked(engine, "K-4", "email")
    words = f"2 of 2 e-mails within 1d (entries {entries[0]}, {entries[1]}); the next one leaves 2026-11-19 11:06:41Z"
    assert rung(report, "twice") == ("hold", words)
    assert report.next is not None
    assert report.next.utc == "2026-11-19T11:06:41Z"
    assert asked(engine, "K-4", "email", at=START + DAY_S).verdict == "hold"
    after = asked(engine, "K-4", "email", at=START + DAY_S + 1)
    assert (after.verdict, rung(after, "twice")) == ("allow", ("pass", "0 of 2 e-mails within 1d"))


def test_content_is_looked_for_in_the_message_of_a_step_or_not_asked(engine: Engine) -> None:
    report = asked(engine, "K-2", "sms", plan="note")
    assert [one.rule for one in report.left_out if one.why == "no_message"] == ["words"]
    assert all(one.rule != "words" for one in report.ladder)
    assert rung(asked(engine, "K-2", None, plan="note", step="it"), "words") == ("pass", "")
    engine.set_setting("sender.name", "Somebody Else")
    missing = asked(engine, "K-2", None, plan="note", step="it")
    assert (missing.verdict, missing.reason) == ("deny", "content")
    assert rung(missing, "words") == ("deny", "missing: the words “example sender”")


def test_shared_limits_say_how_full_they_are(engine: Engine) -> None:
    for contact in ("K-3", "K-4"):
        sent(engine, "letter", contact)
    report = asked(engine, "K-1", "email", plan="letter")
    assert rung(report, "day") == ("pass", "2 of 3 on 2026-11-18")
    assert rung(report, "plan/daily_sends") == ("pass", "2 of 50 on 2026-11-18")
    assert rung(report, "money") == ("pass", "0.02 USD of 5.00 USD, this send 0.01 USD")
    sent(engine, "letter", "K-1")
    full = asked(engine, "K-2", "email")
    assert (full.verdict, full.rule, rung(full, "day")) == ("hold", "day", ("hold", "3 of 3 on 2026-11-18"))
    assert full.next is not None
    assert full.next.utc == "2026-11-19T00:00:00Z"


def test_a_ratio_says_its_share(engine: Engine) -> None:
    for contact, events in (("K-3", ("delivered",)), ("K-4", ("delivered", "complained"))):
        run = sent(engine, "letter", contact)
        (send,) = engine.why(run).runs[0].sends
        for event in events:
            engine.add_event(f"email.{event}", send_key=send.send)
    report = asked(engine, "K-1", "email")
    assert (report.verdict, report.rule) == ("hold", "complaints")
    verdict, values = rung(report, "complaints")
    assert (verdict, values.partition(";")[0]) == ("hold", "1 of 2, 50.00 %")


def test_a_rate_says_how_many_left_just_now(engine: Engine) -> None:
    load_list(engine, age_days=1)
    engine.set_fact("licensed", value=True)
    assert rung(asked(engine, "K-1", "voice"), "pace") == ("pass", "0 of 2 in the last 1m")


# -- who is concerned --------------------------------------------------------------------------------------------------


def test_a_rule_of_a_pack_brings_its_source_along(engine: Engine) -> None:
    engine.use_pack(str(engine.path.parent / "house.toml"))
    report = asked(engine, "K-1", "email")
    (found,) = [one for one in report.ladder if one.rule == "house/florida-hours"]
    assert (found.verdict, found.source, found.cite) == ("hold", "house", "Fla. Stat. 501.616(6)(a)")
    assert (found.url, found.confidence) == ("https://example.com/fl", "primary")
    assert report.next is not None
    assert report.next.utc == format_utc(EIGHT_IN_NEW_YORK)


def test_rules_that_do_not_concern_the_send_are_told_with_the_reason(engine: Engine) -> None:
    engine.use_pack(str(engine.path.parent / "house.toml"))
    left_out = {one.rule: (one.why, one.because) for one in asked(engine, "K-1", "email").left_out}
    assert left_out["house/texas-hours"] == ("other_jurisdiction", "for email · US-TX")
    assert left_out["house/from-next-year"] == ("not_in_force", "in force from 2027-01-01")
    lifted = "lifted: consent of class express is in force or the contact has landline"
    assert left_out["house/no-business"] == ("exempt", lifted)
    assert left_out["house/ten-days"][0] == "deadline"
    assert left_out["pace"] == ("other_channel", "for voice")
    transactional = engine.ask_gate("K-1", channel="email", purpose="transactional")
    assert {one.why for one in transactional.left_out if one.rule == "asked"} == {"other_purpose"}


def test_every_rule_in_use_is_in_the_ladder_or_left_out_with_a_reason(engine: Engine) -> None:
    engine.use_pack("us-federal")
    engine.use_pack("us-states")
    engine.use_pack(str(engine.path.parent / "house.toml"))
    with engine.view() as view:
        policy, _ = view.state.policy()
        packs = [view.state.documents.pack(digest) for _, digest, _ in view.state.packs]
    rules = {rule.id for rule in (*policy.rules, *(rule for pack in packs for rule in pack.rules))}
    for contact in ("K-1", "K-2", "K-3", "K-4", "K-5"):
        for channel in ("email", "sms", "voice"):
            report = asked(engine, contact, channel)
            in_ladder, out = {one.rule for one in report.ladder}, {one.rule for one in report.left_out}
            assert not in_ladder & out
            assert rules == (in_ladder | out) & rules


def test_somebody_of_whom_no_place_is_known_fails_every_rule_that_names_one(engine: Engine) -> None:
    engine.use_pack(str(engine.path.parent / "house.toml"))
    report = asked(engine, "K-3", "email")
    assert (report.verdict, report.rule, report.reason) == ("deny", "house/florida-hours", "unknown_jurisdiction")
    assert report.jurisdictions == ()
    where = "nobody knows where the contact is, and the rule is for US-TX"
    assert rung(report, "house/texas-hours") == ("deny", where)


def test_a_business_is_not_asked_the_rules_for_individuals(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "firm.csv").write_text(
        "customer_id,email,phone,timezone,region,subscriber\n"
        "K-9,firm@example.com,+1 206 555 0109,America/Los_Angeles,US-WA,business\n"
    )
    engine.import_contacts(tmp_path / "firm.csv")
    engine.use_pack("us-federal")
    why = {one.rule: one for one in asked(engine, "K-9", "voice").left_out}["us-federal/dnc-registry"]
    assert (why.why, why.because) == ("other_subscriber", "for individual subscribers, and this one is business")


# -- what stops a send before its rules --------------------------------------------------------------------------------


def test_a_halt_stops_what_the_rules_would_allow(engine: Engine) -> None:
    engine.halt("channel:email")
    report = asked(engine, "K-4", "email")
    assert (report.verdict, report.rule, report.next) == ("hold", "halt", None)
    assert report.queue[0].startswith("halt (channel:email) until a person releases it (entry ")
    assert all(one.verdict == "pass" for one in report.ladder)


def test_in_trial_mode_only_guests_pass(engine: Engine) -> None:
    engine.trial(on=True, guests=("dora@example.com",))
    assert asked(engine, "K-4", "email").verdict == "allow"
    report = asked(engine, "K-1", "email")
    assert (report.verdict, report.rule) == ("hold", "trial")


def test_a_message_that_cannot_be_made_is_refused(engine: Engine) -> None:
    engine.set_setting("sender.unsubscribe", "")
    report = asked(engine, "K-4", None, plan="letter", step="it")
    assert (report.verdict, report.reason) == ("deny", "render_failed")
    assert report.message == "no_unsubscribe sender.unsubscribe"


def test_hours_open_are_told_even_when_something_else_refuses(engine: Engine) -> None:
    report = asked(engine, "K-2", "voice")
    assert (report.verdict, report.next) == ("deny", None)
    assert report.hours_open is not None
    assert report.hours_open.utc == "2026-11-18T16:00:00Z"


# -- what cannot be asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"channel": "email"}, Usage, "for which plan or purpose"),
        ({"purpose": "marketing"}, Usage, "on which channel"),
        ({"channel": "email", "step": "it", "purpose": "marketing"}, Usage, "a step of a plan"),
        ({"channel": "sms", "plan": "letter", "step": "it"}, Usage, "goes by email"),
        ({"plan": "letter", "step": "end"}, Refused, "no send or call `end`"),
        ({"channel": "email", "plan": "letter", "purpose": "regulatory"}, Usage, "is for marketing"),
        ({"channel": "email", "plan": "nothing"}, Refused, "no plan `nothing`"),
        ({"channel": "email", "purpose": "marketing", "at": START - 1}, Refused, "has passed"),
    ],
)
def test_what_makes_no_question_is_refused(
    made: Path, words: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Engine(made / "gate.db").ask_gate("K-4", **words)
