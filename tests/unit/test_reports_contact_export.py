"""What a contact is given who asks for their data: all of it, each thing with its entry, and after an erasure what is left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest
from report_files import NOTHING_BY_ITSELF, START, ReportFile, report_file, serve_until

from dee_appliance import Engine
from dee_appliance.errors import Refused
from dee_appliance.runtime.importing import ConsentGrant
from dee_appliance.runtime.reports import LogFilter
from dee_appliance.runtime.reports_contact_export import ContactExport
from dee_appliance.runtime.reports_messages import ERASED, OTHERWISE
from dee_appliance.store.inbox import InboxRow, append_inbox

__all__ = ["report_file"]

HOUR_S = 3_600
PLAN = """
plan    = "tour"
version = 1
purpose = "transactional"
title   = "Two letters, a text, a call"
[attributes]
tier = ["free", "paid"]
[variables]
amount = "int"
note   = "text"
[enroll]
reentry = "always"
[policy]
calling_hours = { days = "Mon-Sun", from = 00:00:00, to = 23:59:59 }
[[step]]
id       = "first"
do       = "send_email"
template = "letter"
[[step]]
id           = "look"
do           = "task"
instructions = "Look whether all is well."
within       = "10d"
on           = { well = "second" }
next         = "second"
[[step]]
id       = "second"
do       = "send_email"
template = "letter"
[[step]]
id       = "text"
do       = "send_sms"
template = "text"
[[step]]
id     = "ring"
do     = "call"
script = "ring"
[[step]]
id      = "done"
do      = "end"
outcome = "done"
"""
LETTER = """Subject: Dear {{ contact.first_name }}

After "{{ previous.step }}": {{ contact.tier }}, {{ var.amount }}, {{ var.note }}. Yours, {{ sender.name }}
--- html ---
<p>Dear {{ contact.first_name }}</p>
"""
TEXTS = {
    "tour.toml": PLAN,
    "templates/letter.eml.j2": LETTER,
    "templates/text.sms.j2": "{{ contact.first_name }}, a word from {{ sender.name }}.",
    "scripts/ring.toml": 'max_duration_s = 60\n[[answered]]\nsay = "Hello {{ contact.first_name }}."\n',
    "policy.toml": 'policy = "wide"\n[[rule]]\nid = "consent"\nkind = "consent"\nchannels = ["email"]\n',
    "people.csv": "customer_id,first_name,email,phone,timezone,tier\n"
    "K-1,Zoë,zoe@example.com,+12125550163,America/New_York,free\n",
    "changed.csv": "customer_id,first_name,email,phone,timezone,tier\n"
    "K-1,Zoé,zoe@example.com,+12125550163,America/New_York,paid\n",
}


def begun(folder: Path) -> Engine:
    """A contact has had a letter, and a person is to look at something."""
    for name, text in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    channels = ("email", "sms", "voice")
    adapters = "\n".join(f'[channel.{one}]\nadapter = "sandbox"\noptions = {{ fsync = false }}' for one in channels)
    (folder / "tour.db.toml").write_text(adapters, encoding="utf-8")
    engine = Engine.create(
        folder / "tour.db", simulated=True, start=START, assume=NOTHING_BY_ITSELF, policy=folder / "policy.toml"
    )
    engine.publish_plan(folder / "tour.toml")
    engine.import_contacts(folder / "people.csv", consents=(ConsentGrant(channel="email", purpose="transactional"),))
    engine.enroll("tour", ["K-1"], variables={"amount": 7}, texts={"note": "see you"})
    serve_until(engine, START)
    return engine


def gone_on(engine: Engine) -> None:
    """The contact, the sender and the consent change; then the plan goes to its end."""
    folder = engine.path.parent
    engine.import_contacts(folder / "changed.csv", update=True)
    engine.set_setting("sender.name", "Another Sender")
    engine.set_consent("K-1", "email", granted=True, source="letter-9")
    engine.suppress("K-1", scope="plan:other", reason="complaint")
    engine.suppress("K-1", scope="plan:other", on=False)
    with engine.view() as view:
        (row,) = view.database.execute("SELECT run FROM run")
    engine.add_event("visit", contact="K-1", kind="shop")
    engine.finish_task(row[0], "well")
    engine.serve(until_idle=True)


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole story, told once."""
    engine = begun(tmp_path_factory.mktemp("toured"))
    gone_on(engine)
    return engine.path.parent


@pytest.fixture
def engine(toured: Path, tmp_path: Path) -> Engine:
    """A copy of it."""
    shutil.copytree(toured, tmp_path, dirs_exist_ok=True)
    return Engine(tmp_path / "tour.db")


@pytest.fixture
def told(engine: Engine) -> ContactExport:
    """What the contact is given."""
    return engine.contact_export("K-1")


# -- messages ----------------------------------------------------------------------------------------------------------


def test_each_message_says_what_it_said_then_although_everything_has_changed_since(told: ContactExport) -> None:
    first, second, text, call = told.messages
    assert [one.content.proven for one in told.messages] == [True] * 4
    assert first.content.subject == "Dear Zoë"
    assert first.content.text == 'After "": free, 7, see you. Yours, Example Sender\n'
    assert first.content.html == "<p>Dear Zoë</p>\n"
    assert second.content.subject == "Dear Zoé"
    assert second.content.text == 'After "look": paid, 7, see you. Yours, Another Sender\n'
    assert text.content.text == "Zoé, a word from Another Sender."
    assert "Hello Zoé." in str(call.content.script)
    assert [one.content.to for one in told.messages] == ["zoe@example.com"] * 2 + ["+12125550163"] * 2


def test_each_message_says_when_on_what_and_what_became_of_it(told: ContactExport) -> None:
    assert [(one.channel, one.step, one.template, one.purpose, one.attempt) for one in told.messages] == [
        ("email", "first", "letter", "transactional", 1),
        ("email", "second", "letter", "transactional", 1),
        ("sms", "text", "text", "transactional", 1),
        ("voice", "ring", "ring", "transactional", 1),
    ]
    outcomes = [one.outcome.what for one in told.messages if one.outcome is not None]
    assert outcomes[:3] == ["accepted"] * 3
    assert len(outcomes) == 4
    consents = [one.consent and one.consent.source for one in told.messages]
    assert consents[:2] == ["import", "import"], "the consent for the purpose comes before the one for every purpose"
    assert consents[2:] == [None, None]
    assert all(one.commitment and one.digest.startswith("b3:") and one.bytes for one in told.messages)
    assert all(one.provider["ref"] for one in told.messages)


def test_a_message_that_would_come_out_otherwise_is_not_shown(engine: Engine) -> None:
    connection = apsw.Connection(str(engine.path))
    connection.execute("UPDATE vault SET value = replace(value, 'Zoë', 'Eva') WHERE field = 'profile'")
    connection.close()
    first, second, *_ = engine.contact_export("K-1").messages
    assert (first.content.proven, first.content.missing, first.content.text) == (False, OTHERWISE, "")
    assert second.content.proven


def test_attempts_and_answers_are_told_apart(report_file: ReportFile) -> None:
    dora = report_file.engine().contact_export("K-4")
    assert [(one.attempt, one.outcome and one.outcome.what) for one in dora.messages] == [
        (1, "rejected"),
        (2, "accepted"),
    ]
    ben = report_file.engine().contact_export("K-2")
    assert [one.outcome and one.outcome.what for one in ben.messages] == ["unknown"]
    ana = report_file.engine().contact_export("K-1")
    assert [[event.what for event in one.events] for one in ana.messages] == [["email.replied"]]


def test_who_was_sent_nothing_has_no_messages(report_file: ReportFile) -> None:
    evan = report_file.engine().contact_export("K-5")
    assert evan.messages == ()
    assert evan.runs[0].reason == "denied:no_consent"


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_the_person_is_told_with_earlier_versions_and_without_secrets(told: ContactExport) -> None:
    assert told.contact.profile == {"email": "zoe@example.com", "first_name": "Zoé", "phone": "+12125550163"}
    assert told.contact.attributes == {"tier": "paid", "timezone": "America/New_York"}
    assert [(one.field, one.value) for one in told.earlier] == [
        ("profile", {"email": "zoe@example.com", "first_name": "Zoë", "phone": "+12125550163"}),
    ]
    assert [(one.what, one.attributes["tier"]) for one in told.changes] == [("added", "free"), ("changed", "paid")]
    assert told.facts["zones"] == {"address": [], "declared": ["America/New_York"], "number": ["America/New_York"]}
    assert "secret" not in msgspec.json.encode(told).decode()


def test_what_came_with_a_refused_request_is_told_and_no_secret_of_it(engine: Engine) -> None:
    connection = apsw.Connection(str(engine.path))
    for field, value in (("profile", '{"first_name":"Zo"}'), ("variables", '{"note":"hm"}'), ("secret", "f" * 64)):
        row = "INSERT INTO vault (contact, field, seq, value) SELECT contact, ?, 9, ? FROM contact"
        connection.execute(row, (f"refused:{field}", value))
    connection.close()
    told = engine.contact_export("K-1")
    assert [(one.field, one.input, one.value) for one in told.earlier[-2:]] == [
        ("refused:profile", 9, {"first_name": "Zo"}),
        ("refused:variables", 9, {"note": "hm"}),
    ]
    assert "f" * 64 not in msgspec.json.encode(told).decode()


def test_requests_that_wait_are_counted(engine: Engine, told: ContactExport) -> None:
    identity = told.contact.contact
    private: dict[str, object] = {"vault": {identity: {"profile": '{"first_name":"Zo"}'}}}
    row = InboxRow(source="test", received=START, kind="contact.put", payload=b"{}", private=private)
    append_inbox(engine.path, [row])
    assert engine.contact_export("K-1").waiting == 1


def test_consents_and_suppressions_have_their_history_with_entries(told: ContactExport) -> None:
    assert [(one.outcome, one.purpose, one.source) for one in told.consent_history] == [
        ("granted", "transactional", "import"),
        ("granted", "*", "letter-9"),
    ]
    assert [(one.outcome, one.scope, one.reason) for one in told.suppression_history] == [
        ("added", "plan:other", "complaint"),
        ("lifted", "plan:other", "operator"),
    ]
    entries = [one.entry for one in told.consent_history] + [one.entry for one in told.suppression_history]
    assert len(set(entries)) == 4
    assert all(one.at.utc.startswith("2026-11-18T11:06") for one in told.consent_history)


def test_a_suppression_of_an_address_from_before_the_contact_came_is_in_the_history(tmp_path: Path) -> None:
    engine = begun(tmp_path)
    engine.suppress("new@example.com", scope="channel:email", reason="do_not_call")
    (tmp_path / "new.csv").write_text(
        "customer_id,first_name,email,tier\nK-2,Nia,new@example.com,free\n", encoding="utf-8"
    )
    engine.import_contacts(tmp_path / "new.csv")
    (change,) = engine.contact_export("K-2").suppression_history
    assert (change.outcome, change.scope, change.reason) == ("added", "channel:email", "do_not_call")


def test_runs_events_and_tasks_are_told_in_order(told: ContactExport) -> None:
    (run,) = told.runs
    assert (run.title, run.status, run.reason) == ("Two letters, a text, a call", "COMPLETED", "done")
    assert (run.variables, run.texts) == ({"amount": 7}, {"note": "see you"})
    assert [step.entry for step in run.steps] == sorted(step.entry for step in run.steps)
    assert {step.step for step in run.steps} >= {"first", "look", "second", "text", "ring", "done"}
    assert [(one.event, one.kind, one.run) for one in told.events if one.event == "visit"] == [
        ("visit", "shop", run.run)
    ]
    (task,) = told.tasks
    assert (task.step, task.instructions, task.outcome) == ("look", "Look whether all is well.", "well")
    assert task.ended is not None


def test_a_task_that_waits_has_no_outcome(tmp_path: Path) -> None:
    (task,) = begun(tmp_path).contact_export("K-1").tasks
    assert (task.outcome, task.ended) == ("", None)


def test_purposes_name_the_consents_relied_on(told: ContactExport) -> None:
    (use,) = told.purposes
    assert (use.purpose, use.plans, use.messages) == ("transactional", ("tour@1",), {"email": 2, "sms": 1, "voice": 1})
    assert use.consents == (told.consent_history[0].entry,)
    assert use.without_consent == 2


def test_a_refused_enrolment_is_told(report_file: ReportFile) -> None:
    (refused,) = report_file.engine().contact_export("K-1").refused
    assert (refused.plan, refused.code) == ("welcome@1", "already_enrolled")


def test_every_entry_that_the_log_has_of_a_contact_is_in_the_export(engine: Engine, told: ContactExport) -> None:
    def entries(value: object) -> Iterator[int]:
        match value:
            case dict():
                for name, one in value.items():
                    yield from [one] if name == "entry" else entries(one)
            case list() | tuple():
                for one in value:
                    yield from entries(one)
            case _:
                pass

    in_log = {line.seq for line in engine.log(LogFilter(contact="K-1"))}
    assert in_log == set(entries(msgspec.to_builtins(told)))


def test_the_export_names_the_log_that_it_can_be_checked_with(engine: Engine, told: ContactExport) -> None:
    report = engine.verify()
    assert (told.log_size, told.log_head) == (report.entries, report.head)
    assert told.not_covered


def test_somebody_unknown_is_refused(report_file: ReportFile) -> None:
    with pytest.raises(Refused, match="there is no contact"):
        report_file.engine().contact_export("nobody@example.com")


# -- after an erasure --------------------------------------------------------------------------------------------------


def test_after_an_erasure_nothing_personal_is_told_and_what_remains_is_said_with_its_reason(engine: Engine) -> None:
    engine.suppress("K-1", reason="complaint")
    assert engine.erase_contact("K-1").state == "done"
    told = engine.contact_export("K-1")
    assert told.contact.erased
    assert (told.contact.profile, told.contact.attributes, told.facts, told.earlier) == ({}, {}, {}, ())
    assert [one.content.missing for one in told.messages] == [ERASED] * 4
    assert told.runs[0].texts == {}
    assert len(told.erased) == 1
    encoded = msgspec.json.encode(told).decode()
    for personal in ("Zoë", "Zoé", "zoe@", "2125550163", "see you"):
        assert personal not in encoded
    remains = {one.what: one.count for one in told.remains}
    assert remains == {
        "the contact's id": 1,
        "keyed tokens of addresses": 3,
        "suppressions in force": 1,
        "entries about consent": 2,
        "entries of the log": len(engine.log(LogFilter(contact=told.contact.contact))),
        "attributes and derived facts, as they were recorded": 9,
        "commitments to messages": 4,
    }
    assert all(one.why for one in told.remains)
    assert [one.attributes["tier"] for one in told.changes] == ["free", "paid"], "the log keeps them, and so it is said"


def test_somebody_who_was_not_erased_has_no_remains(told: ContactExport) -> None:
    assert (told.remains, told.erased, told.waiting) == ((), (), 0)


def test_who_comes_back_after_an_erasure_has_no_text_of_the_old_messages(engine: Engine) -> None:
    engine.erase_contact("K-1")
    engine.import_contacts(engine.path.parent / "people.csv", readmit=True)
    told = engine.contact_export("K-1")
    assert told.contact.profile["first_name"] == "Zoë"
    assert [one.content.missing for one in told.messages] == [ERASED] * 4
