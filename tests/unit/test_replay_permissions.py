"""What each send was permitted by held then: read from the log alone, so that a gate which cites a dead consent is found out.

The log is written anew by a forger who hashes everything again. Replay would notice that the kernel says something else; here it
is asked only whether what the entries cite can stand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import pytest
from file_edits import Json, body_of, find_entry, part, rechain, rows
from recorded_files import SMALL_ZONES, TEMPLATE_DIGEST, Recorder, attacker, contact_id, rich_file

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.replay.permission_check import Permissions, check_permissions
from dee_appliance.replay.reading import open_evidence, queries
from dee_appliance.store.database import Database, Row, Value

Forgery = Callable[[apsw.Connection], tuple[int, str]]
"""Changes a log; returns the entry of the send that must be blamed, and words of what must be said."""


def permissions_of(path: Path) -> Permissions:
    with open_evidence(path) as database:
        return check_permissions(database, queries())


def first_send(connection: apsw.Connection) -> tuple[int, Json]:
    """The first send by a consent of the contact that the second consent entry of the log is not about."""
    seq = find_entry(connection, '"outcome":"dispatched"', '"consent":')
    value: Json = json.loads(body_of(connection, seq))
    return seq, value


def cite(connection: apsw.Connection, **cited: object) -> int:
    """Let the first send cite something else."""
    seq, _ = first_send(connection)

    def change(value: Json) -> None:
        if value["seq"] == seq:
            value["saw"] = {key: one for key, one in {**part(value, "saw"), **cited}.items() if one is not None}

    rechain(connection, change)
    return seq


def alter(connection: apsw.Connection, seq: int, **changes: object) -> None:
    """Let an entry say something else in its core; `detail` is put over what is there."""

    def change(value: Json) -> None:
        if value["seq"] == seq:
            core = part(value, "core")
            detail = {**part(core, "detail"), **changes.get("detail", {})}  # type: ignore[dict-item]
            value["core"] = {**core, **changes, "detail": detail}

    rechain(connection, change)


def a_policy_that_is_not_in_force(connection: apsw.Connection) -> tuple[int, str]:
    return cite(connection, policy=1), "names entry 1 as the policy, in force was entry 2"


def a_policy_of_later(connection: apsw.Connection) -> tuple[int, str]:
    later = find_entry(connection, '"action":"policy"', after=10)
    return cite(connection, policy=later), f"names entry {later} as the policy"


def no_policy(connection: apsw.Connection) -> tuple[int, str]:
    return cite(connection, policy=None), "names entry None as the policy"


def a_pack_that_nobody_used(connection: apsw.Connection) -> tuple[int, str]:
    return cite(connection, packs=[7]), "names entries [7] as the packs, in force were []"


def zones_of_another_table(connection: apsw.Connection) -> tuple[int, str]:
    return cite(connection, zones="b3:00"), "names the zone table b3:00"


def no_consent_where_one_was_needed(connection: apsw.Connection) -> tuple[int, str]:
    return cite(connection, consent=None), "because of a consent, and none is named"


def an_entry_that_is_no_consent(connection: apsw.Connection) -> tuple[int, str]:
    return cite(connection, consent=0), "names entry 0 as a consent, which grants none"


def an_entry_that_is_not_there(connection: apsw.Connection) -> tuple[int, str]:
    return cite(connection, consent=99_999), "names entry 99999 as a consent, which grants none"


def the_consent_of_another(connection: apsw.Connection) -> tuple[int, str]:
    _, value = first_send(connection)
    other = find_entry(connection, '"action":"consent"', '"granted"', after=int(str(part(value, "saw")["consent"])) + 3)
    return cite(connection, consent=other), f"the consent of entry {other} is another contact's"


def a_consent_for_another_channel(connection: apsw.Connection) -> tuple[int, str]:
    seq, value = first_send(connection)
    alter(connection, int(str(part(value, "saw")["consent"])), detail={"channel": "voice"})
    return seq, "is for ('voice', '*'), the send for ('email',"


def a_consent_for_another_purpose(connection: apsw.Connection) -> tuple[int, str]:
    seq, value = first_send(connection)
    alter(connection, int(str(part(value, "saw")["consent"])), detail={"purpose": "regulatory"})
    return seq, "is for ('email', 'regulatory'), the send for ('email', 'marketing')"


def a_consent_that_ended_that_second(connection: apsw.Connection) -> tuple[int, str]:
    seq, value = first_send(connection)
    tick = int(str(part(value, "core")["tick"]))
    alter(connection, int(str(part(value, "saw")["consent"])), detail={"expires": tick})
    return seq, f"had expired at tick {tick}"


def a_consent_that_was_revoked(connection: apsw.Connection) -> tuple[int, str]:
    """The contact's last word before the send, about the telephone, becomes a revocation of everything by mail."""
    seq, value = first_send(connection)
    granted = int(str(part(value, "saw")["consent"]))
    contact = rows(connection, "SELECT contact FROM run WHERE run = ?", (value["run"],))[0][0]
    trail = (
        "SELECT max(t.seq) FROM contact_trail AS t JOIN audit AS a ON a.seq = t.seq WHERE t.contact = ? AND t.seq < ?"
    )
    word = rows(connection, f'{trail} AND a.body LIKE \'%"action":"consent"%\'', (contact, seq))[0][0]
    assert word > granted
    alter(connection, word, outcome="revoked", detail={"channel": "email", "purpose": "*"})
    return seq, f"the consent of entry {granted} was ended by entry {word}"


def a_contact_that_was_erased(connection: apsw.Connection) -> tuple[int, str]:
    seq, value = first_send(connection)
    granted = int(str(part(value, "saw")["consent"]))
    alter(connection, granted + 1, action="erase", outcome="pending")
    return seq, f"the consent of entry {granted} was ended by entry {granted + 1}"


def a_purpose_that_was_revoked_after_all_were_granted(connection: apsw.Connection) -> tuple[int, str]:
    """What is granted for every purpose does not stand against a word about this one."""
    seq, value = first_send(connection)
    granted = int(str(part(value, "saw")["consent"]))
    alter(connection, granted + 1, outcome="revoked", detail={"channel": "email", "purpose": "marketing"})
    return seq, f"the consent of entry {granted} was ended by entry {granted + 1}"


def a_purpose_that_was_revoked_before_all_were_granted(connection: apsw.Connection) -> tuple[int, str]:
    seq, value = first_send(connection)
    granted = int(str(part(value, "saw")["consent"]))
    detail = {"channel": "email", "purpose": "marketing"}
    alter(connection, granted - 1, action="consent", outcome="revoked", detail=detail)
    return seq, f"entry {granted - 1} revokes, and the consent of entry {granted} does not undo it"


FORGERIES: list[Forgery] = [
    a_policy_that_is_not_in_force, a_policy_of_later, no_policy, a_pack_that_nobody_used, zones_of_another_table,
    no_consent_where_one_was_needed, an_entry_that_is_no_consent, an_entry_that_is_not_there, the_consent_of_another,
    a_consent_for_another_channel, a_consent_for_another_purpose, a_consent_that_ended_that_second,
    a_consent_that_was_revoked, a_contact_that_was_erased,
    a_purpose_that_was_revoked_after_all_were_granted, a_purpose_that_was_revoked_before_all_were_granted,
]  # fmt: skip


def test_every_send_of_a_sound_file_cites_what_held_then(tmp_path: Path) -> None:
    found = permissions_of(rich_file(tmp_path))
    assert found.sends > 30
    assert 30 < found.by_consent <= found.sends
    assert (found.wrong, found.faults) == (0, ())


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.__name__)
def test_a_send_whose_permission_did_not_hold_is_named(forgery: Forgery, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        seq, words = forgery(connection)
    found = permissions_of(path)
    assert found.wrong >= 1
    assert words in found.faults[0], found.faults
    assert found.faults[0].startswith(f"entry {seq} let a send of run_")


def test_a_consent_holds_until_the_second_before_its_end(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        seq, value = first_send(connection)
        tick = int(str(part(value, "core")["tick"]))
        alter(connection, int(str(part(value, "saw")["consent"])), detail={"expires": tick + 1})
    (fault,) = permissions_of(path).faults
    assert not fault.startswith(f"entry {seq} "), (
        "the send in the last second is permitted, a later one of the run is not"
    )


AGAIN = plans.Plan(
    plan="outreach",
    version=1,
    purpose="marketing",
    enroll=plans.Enroll(reentry="always"),
    steps=(plans.SendEmail(id="letter", template="intro", next="end"), plans.End(id="end", outcome="told")),
    templates={"intro": TEMPLATE_DIGEST},
)
ONLY_CONSENT = policies.Policy(id="file", rules=(policies.ConsentRule(id="consent", purposes=("marketing",)),))


def faithful_contact(path: Path, sends: int) -> Path:
    """A file with one contact, who gets all letters by one consent and speaks of something else before each."""
    recorder = Recorder(path)
    digest, brought = recorder.document("zones", canonical(SMALL_ZONES))
    recorder.put(inputs.ZonesUse(digest=digest), brought=brought)
    recorder.use_policy(ONLY_CONSENT)
    recorder.publish(AGAIN)
    recorder.put(inputs.ContactPut(contact=contact_id(1), facts={"present": ["email"]}, tokens={"email": "mail"}))
    recorder.put(inputs.ConsentSet(contact=contact_id(1), channel="email", granted=True))
    for _ in range(sends):
        recorder.tick += 60
        recorder.put(inputs.ConsentSet(contact=contact_id(1), channel="voice", granted=True))
        recorder.put(inputs.Enroll(contact=contact_id(1), plan="outreach"))
        recorder.drain()
    recorder.close()
    return path


def rows_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Permissions, int]:
    """Check a file, and count the rows that were looked up beside the log itself."""
    read = 0

    def counted(self: Database, sql: str, args: Sequence[Value] = ()) -> list[Row]:
        nonlocal read
        found = execute(self, sql, args)
        read += len(found)
        return found

    execute = Database.execute
    with monkeypatch.context() as patched:
        patched.setattr(Database, "execute", counted)
        return permissions_of(path), read


def test_what_it_costs_to_look_at_the_sends_of_one_contact_grows_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    for sends in (20, 40):
        found, read = rows_read(faithful_contact(tmp_path / f"{sends}.db", sends), monkeypatch)
        assert (found.sends, found.by_consent, found.wrong) == (sends, sends, 0)
        looked.append(read)
    assert looked[1] < looked[0] * 2.1
