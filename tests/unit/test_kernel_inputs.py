"""Inputs as they stand in the queue: whatever a payload says, it is applied, refused or malformed, and always recorded."""

from __future__ import annotations

import msgspec
import pytest
from kernel_builder import DAY_S, Story, contact_id, email, plan_of, wait

from dee_appliance.kernel.e1.encoding import decode_canonical
from dee_appliance.kernel.e1.input import INPUTS, KIND_OF, decode_input, encode_input

NOT_INPUTS = [
    ("no.such.kind", "{}"),
    ("event", "not JSON"),
    ("event", '{"name":"x"'),
    ("event", "[]"),
    ("event", '{"name":"x","unheard_of":1}'),
    ("event", '{"name":7}'),
    ("event", '{"name":"\\ud800"}'),
    ("event", '{"name":"x","contact":"c","cost_micros":1e3}'),
    ("event", '{"name":"x","contact":"c","cost_micros":9007199254740992}'),
    ("contact.put", '{"contact":""}'),
    ("contact.put", '{"contact":"c_1","facts":{"weight":1.5}}'),
    ("contact.put", '{"contact":"c_1","facts":{"é":1}}'),
    ("contact.put", '{"contact":"c_1","facts":{"n":99999999999999999999}}'),
    ("contact.put", '{"contact":"c_1","facts":{"deep":' + "[" * 80 + "]" * 80 + "}}"),
    ("contact.put", '{"contact":"c_1","facts":{"deep":' + "[" * 200_000 + "]" * 200_000 + "}}"),
    ("contact.put", '{"contact":"c_1","facts":{"zones":["Europe/London"]}}'),
    ("contact.put", '{"contact":"c_1","facts":{"zones":{"declared":"Europe/London"}}}'),
    ("contact.put", '{"contact":"c_1","facts":{"jurisdictions":["US"]}}'),
    ("contact.put", '{"contact":"c_1","facts":{"jurisdictions":{"declared":"US"}}}'),
    ("contact.put", '{"contact":"c_1","facts":{"jurisdictions":{"declared":[7]}}}'),
    ("contact.put", '{"contact":"c_1","facts":{"subscriber":"robot"}}'),
    ("contact.put", '{"contact":"c_1","facts":{"subscriber":null}}'),
    ("contact.put", '{"contact":"c_1","facts":{"hours":null}}'),
    ("contact.put", '{"contact":"c_1","facts":{"hours":"Mon 9:00-12:00"}}'),
    ("contact.put", '{"contact":"c_1","facts":{"hours":[[],[],[],[],[],[]]}}'),
    ("contact.put", '{"contact":"c_1","facts":{"hours":[[[9]],[],[],[],[],[],[]]}}'),
    ("contact.put", '{"contact":"c_1","facts":{"hours":[[[64800,43200]],[],[],[],[],[],[]]}}'),
    ("contact.put", '{"contact":"c_1","facts":{"hours":[[[0,"86400"]],[],[],[],[],[],[]]}}'),
    ("contact.put", '{"contact":"c_1","facts":{"present":"email"}}'),
    ("contact.put", '{"contact":"c_1","facts":{"phone_prefix":1206}}'),
    ("contact.put", '{"contact":"c_1","attributes":{"é":1}}'),
    ("contact.put", '{"contact":"c_1","attributes":{"a":1.0}}'),
    ("contact.put", '{"contact":"c_1","attributes":{"a":99999999999999999999}}'),
    ("contact.put", '{"contact":"c_1","tokens":{"email":""}}'),
    ("contact.put", '{"contact":"c_1","tokens":{"fax":"f"}}'),
    ("suppression.set", '{"subject":"","on":true}'),
    ("consent.set", '{"contact":"c_1","channel":"fax","granted":true}'),
    ("consent.set", '{"contact":"c_1","channel":"email","granted":true,"expires":-1}'),
    ("run.enroll", '{"contact":"c_1","plan":"plan","start":9999999999999}'),
    ("run.enroll", '{"contact":"c_1","plan":"plan","variables":{"a":null}}'),
    ("run.verb", '{"run":"r","verb":"obey"}'),
    ("run.verb", '{"run":"r","verb":"resolve","choice":"maybe"}'),
    ("attempt.answered", '{"send_key":"k","attempt":1,"outcome":"perhaps"}'),
    ("clock", "{}"),
    ("clock", '{"limit":-1}'),
    ("dispatch.pull", '{"channel":"email","n":-1}'),
    ("dispatch.pull", '{"channel":"fax","n":1}'),
]


@pytest.mark.parametrize(("kind", "payload"), NOT_INPUTS, ids=range(len(NOT_INPUTS)))
def test_what_is_no_input_is_recorded_as_malformed_and_changes_nothing(kind: str, payload: str) -> None:
    with Story(plan_of(email())) as story:
        story.enroll()
        before = story.journal.state.run_by_no(1)
        assert story.raw(kind, payload) == "rejected:malformed"
        assert story.last()["core"]["detail"] == {"code": "malformed", "kind": kind}
        assert story.journal.state.run_by_no(1) == before
        assert len(story.pull()) == 1


SAMPLES: dict[str, str] = {
    "contact.put": '{"attributes":{"vip":true},"contact":"c_1","facts":{"present":["email"]},"tokens":{"email":"t"}}',
    "contact.erase": '{"contact":"c_1"}',
    "consent.set": '{"channel":"email","contact":"c_1","expires":5,"granted":true}',
    "suppression.set": '{"on":true,"subject":"t"}',
    "run.enroll": '{"contact":"c_1","plan":"p","start":7,"variables":{"amount":3}}',
    "event": '{"contact":"c_1","name":"meeting"}',
    "run.verb": '{"choice":"resend","run":"run_1","verb":"resolve"}',
    "task.done": '{"outcome":"yes","run":"run_1"}',
    "attempt.answered": '{"attempt":1,"outcome":"unknown","send_key":"k"}',
    "clock": '{"limit":5}',
    "dispatch.pull": '{"channel":"voice","n":5}',
    "plan.publish": '{"digest":"b3:0","plan":"p","version":1}',
    "policy.set": '{"digest":"b3:0"}',
    "pack.use": '{"digest":"d","pack":"p"}',
    "pack.retire": '{"pack":"p"}',
    "fact.set": '{"name":"f","value":true}',
    "list.add": '{"list":"l","tokens":["t"],"version":1}',
    "list.use": '{"as_of":5,"count":1,"list":"l","version":1}',
    "zones.use": '{"digest":"b3:0"}',
    "hold.set": '{"on":true,"scope":"*"}',
    "config.set": '{"key":"trial","value":"true"}',
    "file.arm": '{"incarnation":1}',
    "epoch.use": '{"epoch":1}',
}


def test_every_kind_of_input_is_sampled() -> None:
    assert sorted(SAMPLES) == sorted(INPUTS)


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_input_is_written_as_it_was_read_with_defaults_left_out(kind: str) -> None:
    read = decode_input(kind, SAMPLES[kind])
    assert KIND_OF[type(read)] == kind
    assert encode_input(read).decode() == SAMPLES[kind]
    decode_canonical(SAMPLES[kind])


def test_every_admitted_input_leaves_an_entry_that_names_it() -> None:
    with Story(plan_of(wait(for_s=DAY_S))) as story:
        story.enroll()
        for kind, payload in (
            ("clock", '{"limit":5}'),
            ("clock", '{"limit":0}'),
            ("dispatch.pull", '{"channel":"email","n":5}'),
            ("contact.put", f'{{"contact":"{contact_id(0)}"}}'),
            ("event", f'{{"contact":"{contact_id(0)}","name":"x"}}'),
            ("event", '{"contact":"c_nobody","name":"x"}'),
            ("attempt.answered", '{"attempt":1,"outcome":"accepted","send_key":"k"}'),
        ):
            story.raw(kind, payload)
            assert story.last()["input"]["seq"] == story.journal.last_seq


def test_an_input_that_had_nothing_to_do_says_so() -> None:
    with Story() as story:
        story.raw("clock", '{"limit":5}')
        assert story.last()["core"]["outcome"] == "nothing"
        assert story.detail() == {"kind": "clock"}


def test_every_body_in_the_log_is_canonical() -> None:
    with Story(plan_of(email())) as story:
        story.put_facts(zones={"declared": ["Europe/London"]}, attributes={"name": "é\u0000", "z": 2**53 - 1})
        story.enroll()
        story.pull()
        rows = story.journal.database.execute("SELECT body FROM audit ORDER BY seq")
        assert len([decode_canonical(row[0]) for row in rows]) == len(rows) > 5


# -- settings, halts, arming ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "outcome"),
    [
        ("trial", "true", "done"),
        ("trial", "1", "rejected:wrong_type"),
        ("trial.guests", '["a"]', "done"),
        ("trial.guests", "[1]", "rejected:wrong_type"),
        ("trial.guests", '"a"', "rejected:wrong_type"),
        ("breaker.threshold", "7", "done"),
        ("breaker.threshold", "true", "rejected:wrong_type"),
        ("breaker.threshold", "-1", "rejected:wrong_type"),
        ("breaker.threshold", "1.5", "rejected:wrong_type"),
        ("breaker.threshold", "99999999999999999999", "rejected:wrong_type"),
        ("sender.domain", '"example.com"', "done"),
        ("sender.domain", "not JSON", "rejected:wrong_type"),
        ("no.such", "1", "rejected:unknown_setting"),
    ],
)
def test_a_setting_has_a_name_and_a_type(key: str, value: str, outcome: str) -> None:
    with Story() as story:
        payload = msgspec.json.encode({"key": key, "value": value}).decode()
        assert story.raw("config.set", payload) == outcome
        stored = story.journal.state.settings.get(key)
        assert (stored is not None) == (outcome == "done")


def test_arming_counts_up_by_one() -> None:
    with Story() as story:
        assert story.raw("file.arm", '{"incarnation":2}') == "rejected:incarnation"
        assert story.raw("file.arm", '{"incarnation":1}') == "done"
        assert story.raw("file.arm", '{"incarnation":1}') == "rejected:incarnation"
        assert story.raw("file.arm", '{"incarnation":2}') == "done"


def test_a_version_of_a_plan_is_published_once_and_never_changes() -> None:
    with Story(plan_of(email())) as story:
        story.publish(plan_of(email()))
        assert story.outcome == "done"
        assert story.last()["core"]["outcome"] == "same"
        story.publish(plan_of(email("other")))
        assert story.outcome == "rejected:version_exists"
        assert story.enroll().step == "mail"


@pytest.mark.parametrize("kind", ["policy.set", "zones.use"])
def test_a_document_that_is_not_in_the_file_is_refused(kind: str) -> None:
    with Story(plan_of(email())) as story:
        assert story.raw(kind, '{"digest":"b3:00"}') == "rejected:unknown_document"
        plan_digest = story.journal.state.plan_digest("plan", 1)
        assert story.raw(kind, f'{{"digest":"{plan_digest}"}}') == "rejected:unknown_document"
