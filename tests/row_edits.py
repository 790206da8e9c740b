"""Edits of what stands beside the log: inputs, documents, renderings, the first row, the ledger."""

from __future__ import annotations

import json

import apsw
from file_edits import (
    Edit,
    Told,
    body_of,
    cause_of,
    document_of,
    entry_of_input,
    find_entry,
    find_input,
    last_seq,
    rows,
)

# -- the inputs --------------------------------------------------------------------------------------------------------


def an_event_is_changed(connection: apsw.Connection) -> Told:
    about = find_input(connection, "event")
    connection.execute("UPDATE input SET payload = replace(payload, 'email.', 'sms.') WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1}, {"seq": seq, "input": about}, seq, "core.outcome")


def an_enrolment_is_changed(connection: apsw.Connection) -> Told:
    about = find_input(connection, "run.enroll", skip=3)
    connection.execute("UPDATE input SET payload = replace(payload, 'outreach', 'notice') WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1}, {"seq": seq, "input": about}, seq, "core.detail.code")


def the_tick_of_an_input_is_changed(connection: apsw.Connection) -> Told:
    about = find_input(connection, "clock")
    connection.execute("UPDATE input SET tick = tick - 1 WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1}, {"seq": seq, "input": about}, seq, "core.tick")


def the_time_of_receipt_is_changed(connection: apsw.Connection) -> Told:
    about = find_input(connection, "run.verb")
    connection.execute("UPDATE input SET received = received + 1 WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1}, {"seq": seq, "input": about}, seq, "input.digest")


def the_source_of_an_input_is_changed(connection: apsw.Connection) -> Told:
    about = find_input(connection, "run.verb")
    connection.execute("UPDATE input SET source = 'nobody' WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1}, {"seq": seq, "input": about}, seq, "input.digest")


def the_kind_of_an_input_is_changed(connection: apsw.Connection) -> Told:
    about = find_input(connection, "hold.set")
    connection.execute("UPDATE input SET kind = 'hold.get' WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1}, {"seq": seq, "input": about}, seq, "core.action")


def an_input_is_not_utf8(connection: apsw.Connection) -> Told:
    about = find_input(connection, "run.verb")
    connection.execute("UPDATE input SET payload = CAST(x'7bff7d' AS TEXT) WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1}, {"seq": seq, "input": about}, seq, "core.action")


def an_opt_out_is_deleted(connection: apsw.Connection) -> Told:
    found = rows(connection, "SELECT seq FROM input WHERE payload LIKE '%email.unsubscribed%' ORDER BY seq")
    about = found[0][0]
    connection.execute("DELETE FROM input WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-missing": 1}, {"input": about}, seq, "core.action")


def the_last_input_is_deleted(connection: apsw.Connection) -> Told:
    about = cause_of(connection, last_seq(connection))
    connection.execute("DELETE FROM input WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-missing": 1}, {"input": about}, seq, "(entry)")


def an_input_is_added_at_the_end(connection: apsw.Connection) -> Told:
    seq = last_seq(connection) + 1
    connection.execute(
        "INSERT INTO input SELECT max(seq) + 1, max(tick), 0, 'test', 'clock', '{\"limit\":1}' FROM input"
    )
    about = rows(connection, "SELECT max(seq) FROM input")[0][0]
    return Told({"truncated": 1}, {"seq": seq, "input": about}, seq, "(entry)")


def two_inputs_are_swapped(connection: apsw.Connection) -> Told:
    first, second = find_input(connection, "consent.set"), find_input(connection, "consent.set", skip=1)
    payloads = [rows(connection, "SELECT payload FROM input WHERE seq = ?", (seq,))[0][0] for seq in (first, second)]
    for seq, payload in zip((second, first), payloads, strict=True):
        connection.execute("UPDATE input SET payload = ? WHERE seq = ?", (payload, seq))
    seq = entry_of_input(connection, first)
    return Told({"input-changed": 2}, {"seq": seq, "input": first}, seq, "core.detail.channel")


def the_clock_is_set_back(connection: apsw.Connection) -> Told:
    about = find_input(connection, "clock")
    connection.execute("UPDATE input SET tick = tick - 100000 WHERE seq = ?", (about,))
    seq = entry_of_input(connection, about)
    return Told({"input-changed": 1, "clock-backwards": 1}, {"seq": seq, "input": about}, seq, "core.action")


# -- documents and renderings ------------------------------------------------------------------------------------------


def changed_document(connection: apsw.Connection, kind: str, old: str, new: str, needle: str = "") -> tuple[str, int]:
    digest, body, brought = document_of(connection, kind, needle or old)
    assert old in body
    connection.execute("UPDATE document SET body = ? WHERE digest = ?", (body.replace(old, new, 1), digest))
    return digest, brought


def a_plan_is_changed(connection: apsw.Connection) -> Told:
    digest, _ = changed_document(connection, "plan", '"outcome":"no_answer"', '"outcome":"no_reply"')
    seq = find_entry(connection, '"action":"end"', '"outcome":"no_answer"')
    return Told({"blob-mismatch": 1}, {"document": digest}, seq, "core.outcome")


def a_plan_is_no_plan(connection: apsw.Connection) -> Told:
    digest, _, _ = document_of(connection, "plan", '"plan":"notice"')
    connection.execute("UPDATE document SET body = '[]' WHERE digest = ?", (digest,))
    seq = find_entry(connection, '"action":"publish"', digest)
    return Told({"blob-mismatch": 1}, {"document": digest}, seq, "core.detail.code")


def a_policy_is_changed(connection: apsw.Connection) -> Told:
    digest, _ = changed_document(connection, "policy", '"limit":16', '"limit":17')
    seq = find_entry(connection, '"outcome":"dispatched"')
    return Told({"blob-mismatch": 1}, {"document": digest}, seq, "saw.counters[0][3]")


def the_zones_are_changed(connection: apsw.Connection) -> Told:
    digest, _, _ = document_of(connection, "zones")
    connection.execute("UPDATE document SET body = '{}' WHERE digest = ?", (digest,))
    seq = find_entry(connection, '"action":"zones"', digest)
    return Told({"blob-mismatch": 1}, {"document": digest}, seq, "core.detail.code")


def a_template_is_changed(connection: apsw.Connection) -> Told:
    digest, brought = changed_document(connection, "template", "Dear", "Deer")
    return Told({"blob-mismatch": 1}, {"document": digest}, entry_of_input(connection, brought), "document")


def a_script_is_gone(connection: apsw.Connection) -> Told:
    digest, _, brought = document_of(connection, "script")
    connection.execute("DELETE FROM document WHERE digest = ?", (digest,))
    return Told({"blob-missing": 1}, {"document": digest}, entry_of_input(connection, brought), "document")


def a_plan_is_gone(connection: apsw.Connection) -> Told:
    digest, _, brought = document_of(connection, "plan", '"plan":"notice"')
    connection.execute("DELETE FROM document WHERE digest = ?", (digest,))
    seq = entry_of_input(connection, brought)
    return Told({"blob-missing": 1}, {"seq": seq, "document": digest}, seq, "core.detail.code")


def a_policy_seems_to_have_come_later(connection: apsw.Connection) -> Told:
    digest, _, brought = document_of(connection, "policy")
    connection.execute("UPDATE document SET seq = 9999 WHERE digest = ?", (digest,))
    seq = entry_of_input(connection, brought)
    return Told({"blob-mismatch": 1}, {"seq": seq, "document": digest}, seq, "core.detail.code")


def a_document_changes_its_kind(connection: apsw.Connection) -> Told:
    digest, _, brought = document_of(connection, "script")
    connection.execute("UPDATE document SET kind = 'template' WHERE digest = ?", (digest,))
    return Told({"blob-mismatch": 1}, {"document": digest}, entry_of_input(connection, brought), "document")


def dispatch_of_given(connection: apsw.Connection) -> tuple[int, int, int]:
    """The first entry that let a send pass, with input and ordinal of its rendering."""
    seq = find_entry(connection, '"outcome":"dispatched"')
    value = json.loads(body_of(connection, seq))
    for about, ordinal, body in rows(connection, "SELECT seq, ordinal, body FROM given ORDER BY seq, ordinal"):
        if json.loads(body)["send_key"] == value["evidence"]["send"]:
            return seq, about, ordinal
    raise AssertionError("no rendering")


def changed_given(connection: apsw.Connection, old: str, new: str) -> tuple[int, int]:
    seq, about, ordinal = dispatch_of_given(connection)
    body = rows(connection, "SELECT body FROM given WHERE seq = ? AND ordinal = ?", (about, ordinal))[0][0]
    assert old in body
    where = (body.replace(old, new, 1), about, ordinal)
    connection.execute("UPDATE given SET body = ? WHERE seq = ? AND ordinal = ?", where)
    return seq, about


def the_length_of_a_message_is_changed(connection: apsw.Connection) -> Told:
    seq, about = changed_given(connection, '"bytes":', '"bytes":1')
    return Told({"given-changed": 1}, {"seq": seq, "input": about}, seq, "evidence.given.bytes")


def the_commitment_to_a_message_is_changed(connection: apsw.Connection) -> Told:
    seq, about = changed_given(connection, '"commitment":"', '"commitment":"f')
    return Told({"given-changed": 1}, {"seq": seq, "input": about}, seq, "evidence.commitment")


def the_template_of_a_message_is_changed(connection: apsw.Connection) -> Told:
    seq, about = changed_given(connection, "b3:template", "b3:tomplate")
    return Told({"given-changed": 1}, {"seq": seq, "input": about}, seq, "evidence.given.template")


def a_rendering_seems_to_have_failed(connection: apsw.Connection) -> Told:
    seq, about = changed_given(connection, '"code":"ok"', '"code":"missing_field"')
    return Told({"given-changed": 1}, {"seq": seq, "input": about}, seq, "core.detail.code")


def a_rendering_is_no_json(connection: apsw.Connection) -> Told:
    seq, about = changed_given(connection, "{", "[")
    return Told({"given-changed": 1, "given-missing": 1}, {"input": about}, seq, "(entry)")


def a_rendering_belongs_to_another_send(connection: apsw.Connection) -> Told:
    seq, about = changed_given(connection, '"send_key":"', '"send_key":"0')
    return Told({"given-missing": 1}, {"seq": seq, "input": about}, seq, "(entry)")


def a_rendering_has_one_field_more(connection: apsw.Connection) -> Told:
    _, about = changed_given(connection, '"code":"ok",', '"code":"ok","colour":1,')
    return Told({"given-changed": 1}, {"input": about})


def a_send_has_two_renderings(connection: apsw.Connection) -> Told:
    _, about, ordinal = dispatch_of_given(connection)
    last = rows(connection, "SELECT max(ordinal) FROM given WHERE seq = ?", (about,))[0][0]
    connection.execute(
        "INSERT INTO given SELECT seq, ?, body FROM given WHERE seq = ? AND ordinal = ?", (last + 1, about, ordinal)
    )
    return Told({"given-extra": 1}, {"input": about}, entry_of_input(connection, about), "given")


def a_rendering_is_gone(connection: apsw.Connection) -> Told:
    seq, about, ordinal = dispatch_of_given(connection)
    connection.execute("DELETE FROM given WHERE seq = ? AND ordinal = ?", (about, ordinal))
    return Told({"given-missing": 1}, {"seq": seq, "input": about}, seq, "(entry)")


def a_rendering_of_no_input(connection: apsw.Connection) -> Told:
    connection.execute("INSERT INTO given SELECT 0, 0, body FROM given ORDER BY seq, ordinal LIMIT 1")
    return Told({"given-extra": 1}, {"input": 0}, 0, "given")


# -- the first row, the ledger -----------------------------------------------------------------------------------------


def the_lineage_is_changed(connection: apsw.Connection) -> Told:
    connection.execute("UPDATE genesis SET lineage = zeroblob(16)")
    return Told({"genesis-changed": 1}, {"seq": 0}, 0, "core.detail.lineage")


def the_epoch_is_changed(connection: apsw.Connection) -> Told:
    connection.execute("UPDATE genesis SET epoch = epoch - 1")
    return Told({"genesis-changed": 1}, {"seq": 0}, 0, "core.tick")


def the_seed_is_changed(connection: apsw.Connection) -> Told:
    connection.execute("UPDATE genesis SET seed = 7")
    return Told({"genesis-changed": 1}, {"seq": 0}, 0, "core.detail.seed")


def the_clock_is_changed(connection: apsw.Connection) -> Told:
    connection.execute("UPDATE genesis SET clock = 'simulated'")
    return Told({"genesis-changed": 1}, {"seq": 0}, 0, "core.detail.clock")


def the_semantics_are_changed(connection: apsw.Connection) -> Told:
    connection.execute("UPDATE genesis SET semantics = 2")
    return Told({"genesis-changed": 1}, {"seq": 0}, 0, "core.detail.semantics")


def a_mark_is_gone(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, '"outcome":"dispatched"')
    evidence = json.loads(body_of(connection, seq))["evidence"]
    where = (evidence["send"], evidence["attempt"])
    connection.execute("DELETE FROM ledger WHERE send_key = ? AND attempt = ? AND mark = 'DISPATCHING'", where)
    return Told({"ledger-differs": 1}, {"seq": seq})


def a_mark_is_put_elsewhere(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, '"outcome":"dispatched"')
    evidence = json.loads(body_of(connection, seq))["evidence"]
    where = (evidence["send"], evidence["attempt"])
    connection.execute(
        "UPDATE ledger SET tick = tick + 1 WHERE send_key = ? AND attempt = ? AND mark = 'DISPATCHING'", where
    )
    return Told({"ledger-differs": 1}, {"seq": seq})


def a_mark_is_invented(connection: apsw.Connection) -> Told:
    connection.execute(
        "INSERT INTO ledger (attempt_no, mark, send_key, attempt, seq, tick) VALUES (9999, 'DISPATCHING', 'ab', 1, 5, 5)"
    )
    return Told({"ledger-differs": 1}, {"input": 5})


ROW_EDITS: list[Edit] = [
    an_event_is_changed, an_enrolment_is_changed, the_tick_of_an_input_is_changed,
    the_time_of_receipt_is_changed, the_source_of_an_input_is_changed,
    the_kind_of_an_input_is_changed, an_input_is_not_utf8, an_opt_out_is_deleted,
    the_last_input_is_deleted, an_input_is_added_at_the_end, two_inputs_are_swapped,
    the_clock_is_set_back, a_plan_is_changed, a_plan_is_no_plan, a_policy_is_changed,
    the_zones_are_changed, a_template_is_changed, a_script_is_gone, a_plan_is_gone,
    a_policy_seems_to_have_come_later, a_document_changes_its_kind,
    the_length_of_a_message_is_changed, the_commitment_to_a_message_is_changed,
    the_template_of_a_message_is_changed, a_rendering_seems_to_have_failed, a_rendering_is_no_json,
    a_rendering_belongs_to_another_send, a_rendering_has_one_field_more, a_send_has_two_renderings,
    a_rendering_is_gone, a_rendering_of_no_input, the_lineage_is_changed, the_epoch_is_changed,
    the_seed_is_changed, the_clock_is_changed, the_semantics_are_changed, a_mark_is_gone,
    a_mark_is_put_elsewhere, a_mark_is_invented,
]  # fmt: skip
