"""Edits of the log itself: bodies, hashes, places, links."""

from __future__ import annotations

import json

import apsw
from file_edits import (
    Edit,
    Json,
    Told,
    body_of,
    cause_of,
    find_alone,
    find_entry,
    last_seq,
    part,
    rechain,
    replaced,
    rows,
    set_body,
)

RUN_ENTRY = '"action":"branch"'


def an_outcome_is_changed(connection: apsw.Connection) -> Told:
    seq = replaced(connection, find_entry(connection, RUN_ENTRY), '"outcome":"else"', '"outcome":"elsa"')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "core.outcome")


def a_target_is_changed(connection: apsw.Connection) -> Told:
    seq = replaced(connection, find_entry(connection, RUN_ENTRY), '"to":"half"', '"to":"ring"')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "core.detail.to")


def a_tick_is_changed(connection: apsw.Connection) -> Told:
    seq = replaced(connection, find_entry(connection, RUN_ENTRY), '"tick":1', '"tick":2')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "core.tick")


def a_verdict_is_changed(connection: apsw.Connection) -> Told:
    seq = replaced(connection, find_entry(connection, '"denied"'), '["suppression","deny"', '["suppression","pass"')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "core.detail.gate[1][1]")


def a_counter_the_gate_saw_is_changed(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, '"outcome":"dispatched"')
    value = json.loads(body_of(connection, seq))
    value["saw"]["counters"][0][2] += 1
    set_body(connection, seq, json.dumps(value, separators=(",", ":"), sort_keys=True), leaf=False)
    return Told({"content-changed": 1}, {"seq": seq}, seq, "saw.counters[0][2]")


def a_link_is_changed(connection: apsw.Connection) -> Told:
    seq = find_alone(connection)
    replaced(connection, seq, '"prev":"', '"prev":"0')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "prev")


def the_named_input_is_changed(connection: apsw.Connection) -> Told:
    seq = find_alone(connection)
    cause = cause_of(connection, seq)
    replaced(connection, seq, f'"seq":{cause}}}', f'"seq":{cause - 1}}}')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "input.seq")


def a_space_is_added(connection: apsw.Connection) -> Told:
    seq = replaced(connection, find_alone(connection), '"core":', '"core": ')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "(bytes)")


def a_space_is_added_and_hashed(connection: apsw.Connection) -> Told:
    seq = replaced(connection, find_alone(connection), '"core":', '"core": ', leaf=True)
    return Told({"not-canonical": 1, "link-broken": 1}, {"seq": seq}, seq, "(bytes)")


def a_key_is_there_twice(connection: apsw.Connection) -> Told:
    seq = replaced(connection, find_alone(connection), '{"core":', '{"core":{},"core":', leaf=True)
    return Told({"not-canonical": 1, "link-broken": 1}, {"seq": seq}, seq, "(bytes)")


def a_body_is_no_json(connection: apsw.Connection) -> Told:
    seq = find_alone(connection)
    set_body(connection, seq, "nothing to see here", leaf=False)
    return Told({"content-changed": 1}, {"seq": seq}, seq, "(bytes)")


def a_hash_is_changed(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, RUN_ENTRY)
    connection.execute("UPDATE audit SET leaf = zeroblob(32) WHERE seq = ?", (seq,))
    return Told({"leaf-changed": 1}, {"seq": seq}, seq, "leaf")


def a_hash_is_cut(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, RUN_ENTRY)
    connection.execute("UPDATE audit SET leaf = x'00' WHERE seq = ?", (seq,))
    return Told({"leaf-changed": 1}, {"seq": seq}, seq, "leaf")


def a_body_is_changed_with_its_hash(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, RUN_ENTRY)
    replaced(connection, seq, '"outcome":"else"', '"outcome":"elsa"', leaf=True)
    return Told({"link-broken": 1}, {"seq": seq, "last": seq + 1}, seq, "core.outcome")


def a_consent_is_changed_with_its_hash(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, '"action":"consent"')
    replaced(connection, seq, '"class":"express"', '"class":"implied"', leaf=True)
    return Told({"link-broken": 1}, {"seq": seq}, seq, "core.detail.class")


def the_last_entry_is_changed(connection: apsw.Connection) -> Told:
    seq = last_seq(connection)
    replaced(connection, seq, '"core":{"action":"', '"core":{"action":"x')
    return Told({"content-changed": 1}, {"seq": seq}, seq, "core.action")


def an_entry_is_deleted(connection: apsw.Connection) -> Told:
    seq = find_alone(connection)
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    return Told({"missing": 1}, {"seq": seq, "last": seq}, seq, "(entry)")


def an_entry_of_a_run_is_deleted(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, RUN_ENTRY)
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    return Told({"missing": 1, "incomplete-run": 1}, {"seq": seq, "last": seq}, seq, "(entry)")


def an_entry_of_a_contact_is_deleted(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, '"action":"consent"')
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    return Told({"missing": 1, "incomplete-contact": 1}, {"seq": seq, "last": seq}, seq, "(entry)")


def several_entries_are_deleted(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, '"malformed"')
    connection.execute("DELETE FROM audit WHERE seq BETWEEN ? AND ?", (seq, seq + 1))
    return Told({"missing": 1}, {"seq": seq, "last": seq + 1}, seq, "(entry)")


def the_first_entry_is_deleted(connection: apsw.Connection) -> Told:
    connection.execute("DELETE FROM audit WHERE seq = 0")
    return Told({"missing": 1}, {"seq": 0, "last": 0}, 0, "(entry)")


def two_entries_are_swapped(connection: apsw.Connection) -> Told:
    first = find_alone(connection)
    second = find_alone(connection, after=first + 5)
    query = "SELECT body, leaf FROM audit WHERE seq = ?"
    there = [rows(connection, query, (seq,))[0] for seq in (first, second)]
    for seq, row in zip((second, first), there, strict=True):
        connection.execute("UPDATE audit SET body = ?, leaf = ? WHERE seq = ?", (*row, seq))
    return Told({"moved": 2}, {"seq": first}, first, "core.tick")


def an_entry_is_repeated_at_the_end(connection: apsw.Connection) -> Told:
    seq = last_seq(connection)
    connection.execute("INSERT INTO audit SELECT ?, body, leaf FROM audit WHERE seq = ?", (seq + 1, seq))
    return Told({"moved": 1}, {"seq": seq + 1}, seq + 1, "(entry)")


def the_end_is_cut_off(connection: apsw.Connection) -> Told:
    last = last_seq(connection)
    connection.execute("DELETE FROM audit WHERE seq = ?", (last,))
    return Told({"truncated": 1}, {"seq": last}, last, "(entry)")


def an_entry_of_another_version(connection: apsw.Connection) -> Told:
    seq = find_alone(connection)

    def change(value: Json) -> None:
        if value["seq"] == seq:
            value["core"] = {**part(value, "core"), "v": 2}

    rechain(connection, change)
    return Told({"unknown-version": 1}, {"seq": seq}, seq, "core.v")


def an_entry_has_one_field_more(connection: apsw.Connection) -> Told:
    seq = find_alone(connection)

    def change(value: Json) -> None:
        if value["seq"] == seq:
            value["note"] = "added"

    rechain(connection, change)
    return Told({"unknown-version": 1}, {"seq": seq}, seq, "note")


def a_run_is_given_another_past(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, RUN_ENTRY)

    def change(value: Json) -> None:
        if value["seq"] == seq:
            value["core"] = {**part(value, "core"), "rp": "0" * 64}

    rechain(connection, change, runs=False)
    return Told({"incomplete-run": 2}, {"seq": seq}, seq, "core.rp")


def a_contact_is_given_another_past(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, '"action":"consent"', '"outcome":"granted"')

    def change(value: Json) -> None:
        if value["seq"] == seq:
            value["cs"] = 7

    rechain(connection, change)
    return Told({"incomplete-contact": 2}, {"seq": seq}, seq, "cs")


LOG_EDITS: list[Edit] = [
    an_outcome_is_changed, a_target_is_changed, a_tick_is_changed, a_verdict_is_changed,
    a_counter_the_gate_saw_is_changed, a_link_is_changed, the_named_input_is_changed, a_space_is_added,
    a_space_is_added_and_hashed, a_key_is_there_twice, a_body_is_no_json, a_hash_is_changed, a_hash_is_cut,
    a_body_is_changed_with_its_hash, a_consent_is_changed_with_its_hash, the_last_entry_is_changed,
    an_entry_is_deleted, an_entry_of_a_run_is_deleted, an_entry_of_a_contact_is_deleted,
    several_entries_are_deleted, the_first_entry_is_deleted, two_entries_are_swapped,
    an_entry_is_repeated_at_the_end, the_end_is_cut_off, an_entry_of_another_version,
    an_entry_has_one_field_more, a_run_is_given_another_past, a_contact_is_given_another_past,
]  # fmt: skip
