"""Contacts on the command line: imported, enrolled, allowed and forbidden, erased."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import pytest
from terminal import Terminal, serve_all

DIRTY = """customer_id,first_name,email
K-5,Eve,eve@good.example.com
K-6,Fay,not-an-address
K-7,Gus
K-5,Eva,eva@good.example.com
"""


def entries(desk: Terminal) -> int:
    """How long the log is."""
    count: int = desk.ok("status", "--json").record()["entries"]
    return count


# -- import ------------------------------------------------------------------------------------------------------------


def test_one_bad_row_keeps_all_of_them_out_and_is_named(desk: Terminal) -> None:
    desk.write("dirty.csv", DIRTY)
    before = entries(desk)
    said = desk.dee("contact", "import", "dirty.csv")
    assert said.code == 1
    assert "2 of 4 rows were rejected; nothing was imported" in said.err
    assert "line 3: email_syntax" in said.err
    assert "line 4: short_row" in said.err
    assert "--allow-rejects" in said.err
    assert entries(desk) == before
    assert (desk.folder / "dirty.csv.rejects.csv").read_text("utf-8-sig").count("\n") == 4


def test_the_good_rows_come_in_when_rejects_are_allowed(desk: Terminal) -> None:
    desk.write("dirty.csv", DIRTY)
    told = desk.ok("contact", "import", "dirty.csv", "--allow-rejects", "--rejects", "bad.csv", "--json").record()
    assert {name: told[name] for name in ("rows", "new", "rejected", "duplicate", "kept", "conflict", "queued")} == {
        "rows": 4, "new": 1, "rejected": 2, "duplicate": 1, "kept": 0, "conflict": 0, "queued": 0,
    }  # fmt: skip
    assert told["rejects_file"] == "bad.csv"
    assert [(reject["line"], reject["code"]) for reject in told["rejects"]] == [
        (3, "email_syntax"), (4, "short_row"), (5, "duplicate_key"),
    ]  # fmt: skip
    assert desk.ok("contact", "find", "eve@good.example.com", "--json").records() != []


def test_a_dry_run_tells_the_same_and_changes_nothing(desk: Terminal) -> None:
    desk.write("dirty.csv", DIRTY)
    before = entries(desk)
    said = desk.ok("contact", "import", "dirty.csv", "--dry-run")
    assert "dry run: nothing was changed" in said.out
    assert "new               1" in said.out
    assert entries(desk) == before
    assert not (desk.folder / "dirty.csv.rejects.csv").exists()


def test_known_contacts_are_the_same_kept_or_updated(desk: Terminal) -> None:
    desk.write(
        "again.csv",
        "customer_id,first_name,email,phone\nK-1,Ada,ada@good.example.com,+12065550101\nK-2,Benjamin,ben@good.example.com,\n",
    )
    kept = desk.ok("contact", "import", "again.csv", "--json").record()
    assert (kept["same"], kept["kept"], kept["changed"]) == (1, 1, 0)
    assert "--on-existing update" in desk.ok("contact", "import", "again.csv").out
    changed = desk.ok("contact", "import", "again.csv", "--on-existing", "update", "--json").record()
    assert (changed["same"], changed["kept"], changed["changed"]) == (1, 0, 1)
    assert "Benjamin" in desk.ok("contact", "show", "K-2").out


def test_columns_are_mapped_and_typed(desk: Terminal) -> None:
    desk.write("mapped.csv", "Post;Stufe;Vorname\nzoe@good.example.com;gold;Zoë\n")
    said = desk.ok(
        "contact", "import", "mapped.csv", "--map", "email=Post", "--map", "attribute.level=Stufe:enum",
        "--map", "first_name=Vorname", "--delimiter", "semicolon", "--consent", "email:marketing", "--consent", "sms", "--json",
    )  # fmt: skip
    assert (said.record()["new"], said.record()["consents"]) == (1, 2)
    told = json.dumps(desk.ok("contact", "show", "zoe@good.example.com", "--json").record())
    assert "gold" in told
    assert "marketing" in told


PLACES = """customer_id,email,phone,country,region,state,zip,calling_hours,subscriber
K-21,pat@good.example.com,+12065550121,US,,NY,10001,Mon-Fri 12:00-18:00; Sat 10:00-14:00,individual
K-22,quy@good.example.com,+18505550122,US,California,,,,business
K-23,ria@good.example.com,+18005550123,US,EMEA,,,afternoons,
"""


def test_where_and_when_a_person_may_be_reached_is_read_shown_and_recorded(desk: Terminal) -> None:
    desk.write("places.csv", PLACES)
    told = desk.ok("contact", "import", "places.csv", "--allow-rejects", "--json").record()
    assert (told["new"], [reject["code"] for reject in told["rejects"]]) == (2, ["region_unknown"])
    shown = desk.ok("contact", "show", "K-21").out
    assert "jurisdictions    US-NY-NYC (address), US (declared), US-WA (number)" in shown
    assert "time zones       America/New_York (address), America/Los_Angeles (number)" in shown
    report = desk.ok("contact", "show", "K-22", "--json").record()
    assert report["jurisdictions"] == {"address": [], "declared": ["US-CA"], "number": ["US-FL"]}
    assert report["zones"]["number"] == ["America/Chicago", "America/New_York"]
    connection = apsw.Connection(str(desk.file), flags=apsw.SQLITE_OPEN_READONLY)
    sql = "SELECT payload FROM input WHERE kind = 'contact.put' ORDER BY seq DESC LIMIT 2"
    business, individual = (json.loads(payload)["facts"] for (payload,) in connection.execute(sql))
    connection.close()
    assert individual["hours"] == [[[43200, 64800]]] * 5 + [[[36000, 50400]], []]
    assert "hours" not in business
    assert (individual["subscriber"], business["subscriber"]) == ("individual", "business")
    assert "same" in desk.ok("replay").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("missing.csv",), 1),
        (("contacts.csv", "--map", "email"), 2),
        (("contacts.csv", "--map", "email=Nothing"), 1),
        (("contacts.csv", "--delimiter", "pipe"), 2),
        (("contacts.csv", "--consent", "pigeon"), 2),
        (("contacts.csv", "--consent", "email:fun"), 2),
        (("contacts.csv", "--default-country", "Mars"), 1),
        (("contacts.csv", "--rejects", "contacts.csv"), 1),
        (("plan.toml",), 1),
        (("desk.db",), 1),
        ((".",), 1),
    ],
)
def test_an_import_that_makes_no_sense_changes_nothing(desk: Terminal, words: tuple[str, ...], code: int) -> None:
    before, contacts = entries(desk), (desk.folder / "contacts.csv").read_bytes()
    said = desk.dee("contact", "import", *words)
    assert said.code == code, said
    assert "fault of the program" not in said.err
    assert entries(desk) == before
    assert (desk.folder / "contacts.csv").read_bytes() == contacts


@pytest.mark.slow
def test_a_file_that_cannot_grow_is_told_once_and_loses_nothing(desk: Terminal) -> None:
    desk.write("many.csv", "email\n" + "".join(f"p{number}@good.example.com\n" for number in range(3_000)))
    before = entries(desk)
    blocks = desk.file.stat().st_size // 512 + 200
    said = desk.with_files_no_longer_than(blocks, "contact", "import", "many.csv")
    assert (said.code, said.out) == (1, "")
    assert "the file could not be read or written" in said.err
    assert "end this process" not in said.err
    assert entries(desk) == before
    assert desk.ok("contact", "import", "many.csv", "--json").record()["new"] == 3_000


def test_a_list_that_is_cut_says_so(desk: Terminal) -> None:
    said = desk.ok("contact", "find", "good.example.com", "--limit", 1)
    assert said.out.count("@good.example.com") == 1
    assert "there are more: the first 1 are shown" in said.err
    assert desk.ok("contact", "find", "good.example.com", "--limit", 2).err == ""


def test_hostile_cells_do_not_reach_the_terminal(desk: Terminal) -> None:
    desk.write(
        "hostile.csv",
        'customer_id,first_name,email\nK-9,"\x1b[31mRed\u202e",red@good.example.com\n"\x1b]0;x",Y,\x1b[2J\n',
    )
    said = desk.dee("contact", "import", "hostile.csv", "--allow-rejects")
    shown = desk.dee("contact", "find", "red@good.example.com")
    assert "\x1b" not in said.out + said.err + shown.out + shown.err
    assert "\u202e" not in shown.out


# -- enrolment ---------------------------------------------------------------------------------------------------------

DAY = ("--var", "day=2026-12-24")


def test_everybody_is_enrolled_once(desk: Terminal) -> None:
    assert desk.ok("enroll", "welcome", "--all", *DAY, "--json").record() == {
        "plan": "welcome", "requests": 4, "enrolled": 4, "refused": {}, "queued": 0,
    }  # fmt: skip
    again = desk.dee("enroll", "welcome", "--all", *DAY)
    assert again.code == 1
    assert "4  an earlier run of this plan is still live for the contact (still_live)" in again.out
    assert "nobody was enrolled" in again.err


def test_a_contact_is_named_by_id_address_number_or_key(desk: Terminal) -> None:
    (found,) = desk.ok("contact", "find", "dov@reject.example.com", "--json").records()
    who = ("K-3", "+12065550101", "Ben@good.example.com", found["contact"])
    words = [word for name in who for word in ("--contact", name)]
    assert desk.ok("enroll", "welcome", *words, *DAY, "--json").record()["enrolled"] == 4


@pytest.mark.parametrize(
    "text",
    [
        "K-1\nben@good.example.com\n\n",
        "\ufeffcustomer_id;x\r\nK-1;1\r\nK-2;2\r\n",
        "Email\nada@good.example.com\nBEN@good.example.com\n",
    ],
)
def test_a_list_names_contacts_in_whatever_form_people_keep_it(desk: Terminal, text: str) -> None:
    desk.write("list.txt", text)
    assert desk.ok("enroll", "welcome", "--file", "list.txt", *DAY, "--json").record()["enrolled"] == 2


def test_a_column_is_chosen_by_name(desk: Terminal) -> None:
    desk.write("list.csv", "who,what\nK-1,a\nK-2,b\n")
    assert "--column" in desk.dee("enroll", "welcome", "--file", "list.csv", *DAY).err
    told = desk.ok("enroll", "welcome", "--file", "list.csv", "--column", "who", *DAY, "--json").record()
    assert told["enrolled"] == 2


def test_whoever_is_not_in_the_file_stops_the_enrolment_unless_left_out(desk: Terminal) -> None:
    desk.write("list.txt", "K-1\nnobody@good.example.com\n+1\n")
    said = desk.dee("enroll", "welcome", "--file", "list.txt", *DAY)
    assert said.code == 1
    assert "list.txt:2: `nobody@good.example.com`" in said.err
    assert "list.txt:3" in said.err
    assert desk.runs() == []
    told = desk.ok("enroll", "welcome", "--file", "list.txt", "--skip-unknown", *DAY, "--json").record()
    assert told["enrolled"] == 1


def test_a_run_starts_when_it_is_told_to(desk: Terminal) -> None:
    desk.ok("enroll", "welcome", "--contact", "K-1", *DAY, "--start", "2126-01-01T09:00:00Z")
    (run,) = desk.runs()
    assert (run["status"], run["due"]["utc"]) == ("PENDING", "2126-01-01T09:00:00Z")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("welcome", "--all"), 2, "welcome needs day"),
        (("welcome", "--all", "--var", "day=soon"), 2, "day is a date like"),
        (("welcome", "--all", "--var", "day"), 2, "no variable"),
        (("welcome", "--all", "--var", "=x"), 2, "no variable"),
        (("welcome", "--all", *DAY, *DAY), 2, "given twice"),
        (("welcome", "--all", *DAY, "--var", "dya=1"), 2, "did you mean day?"),
        (("welcome", *DAY), 2, "say who"),
        (("welcome", "--all", "--contact", "K-1", *DAY), 2, "say who"),
        (("welcome", "--contact", "K-1", "--column", "x", *DAY), 2, "are for --file"),
        (("welcome", "--contact", "K-77", *DAY), 1, "there is no contact `K-77`"),
        (("welcome", "--contact", "a@@b", *DAY), 1, "a@@b"),
        (("welcome", "--all", "--start", "soon", *DAY), 2, "no date and time"),
        (("welcome@1", "--all", *DAY), 2, "newest version"),
        (("nope", "--all"), 1, "there is no plan"),
        (("welcome", "--file", "nope.txt", *DAY), 1, "no such file"),
        (("welcome", "--file", "empty.txt", *DAY), 1, ""),
        (("welcome", "--file", "desk.db", *DAY), 1, ""),
    ],
)
def test_an_enrolment_that_makes_no_sense_changes_nothing(
    desk: Terminal, words: tuple[str, ...], code: int, told: str
) -> None:
    desk.write("empty.txt", "")
    before = entries(desk)
    said = desk.dee("enroll", *words)
    assert said.code == code, said
    assert told in said.err
    assert "fault of the program" not in said.err
    assert entries(desk) == before


# -- consent, suppression, events --------------------------------------------------------------------------------------


def test_consent_is_granted_and_revoked(desk: Terminal) -> None:
    told = desk.ok(
        "consent",
        "grant",
        "K-1",
        "--channel",
        "voice",
        "--source",
        "form-2026-08-02",
        "--expires",
        "2126-01-01",
        "--json",
    )
    assert told.record()["granted"] is True
    assert "voice" in desk.ok("consent", "show", "K-1").out
    desk.ok("consent", "revoke", "K-1", "--channel", "voice")
    actions = [
        (line["outcome"], line["detail"].get("source"))
        for line in desk.ok("log", "--action", "consent", "--json").records()
    ]
    assert actions == [("granted", "form-2026-08-02"), ("revoked", "operator")]


def test_a_suppressed_contact_gets_nothing_until_it_is_lifted(desk: Terminal) -> None:
    desk.ok("suppress", "add", "ada@good.example.com", "--reason", "asked")
    serve_all(desk)
    assert [row["status"] for row in desk.runs("--contact", "K-1")] == ["FAILED"]
    assert desk.dee("suppress", "lift", "ada@good.example.com", "--channel", "email").code == 1
    desk.ok("suppress", "lift", "ada@good.example.com")
    desk.ok("run", "retry", desk.run_of("K-1"))
    desk.ok("serve", "--until-idle")
    assert [row["status"] for row in desk.runs("--contact", "K-1")] == ["WAITING"]


def test_an_address_can_be_suppressed_before_anybody_has_it(desk: Terminal) -> None:
    assert "no contact of this file has it yet" in desk.ok("suppress", "add", "later@good.example.com").err
    assert desk.ok("suppress", "add", "K-1", "--channel", "voice").err == ""
    desk.write("later.csv", "email,first_name\nlater@good.example.com,Lea\n")
    desk.ok("contact", "import", "later.csv")
    desk.ok("arm")
    desk.ok("enroll", "welcome", "--contact", "later@good.example.com", *DAY)
    desk.ok("serve", "--until-idle")
    assert [row["status"] for row in desk.runs()] == ["FAILED"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("consent", "grant", "K-1"), 2),
        (("consent", "grant", "K-1", "--channel", "pigeon"), 2),
        (("consent", "grant", "K-1", "--channel", "email", "--purpose", "fun"), 2),
        (("consent", "grant", "K-1", "--channel", "email", "--source", "she told me: ada@example.com"), 2),
        (("consent", "grant", "K-1", "--channel", "email", "--expires", "soon"), 2),
        (("consent", "grant", "K-99", "--channel", "email"), 1),
        (("consent", "revoke", "K-99", "--channel", "email"), 1),
        (("suppress", "add", "a@@b"), 1),
        (("suppress", "add", ""), 1),
        (("suppress", "add", "12065550101"), 1),
        (("suppress", "add", "Ada"), 1),
        (("suppress", "lift", "Ada"), 1),
        (("suppress", "check", "12065550101"), 1),
        (("suppress", "add", "K-1", "--reason", "free text"), 2),
        (("suppress", "add", "K-1", "--plan", "nope"), 1),
        (("suppress", "add", "K-1", "--plan", "welcome", "--channel", "sms"), 2),
        (("event", "add", "email.repleid", "--contact", "K-1"), 2),
        (("event", "add", "email.replied"), 2),
        (("event", "add", "email.replied", "--contact", "K-1", "--send", "00"), 2),
        (("event", "add", "email.replied", "--send", "ada@good.example.com"), 2),
        (("event", "add", "email.replied", "--contact", "K-1", "--kind", "hard"), 2),
        (("event", "add", "email.bounced", "--contact", "K-1", "--kind", "bouncy"), 2),
        (("event", "add", "two words", "--contact", "K-1"), 2),
        (("event", "add", "x" * 101, "--contact", "K-1"), 2),
        (("event", "add", "email.replied", "--contact", "K-99"), 1),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_log(desk: Terminal, words: tuple[str, ...], code: int) -> None:
    before = entries(desk)
    said = desk.dee(*words)
    assert said.code == code, said
    assert "fault of the program" not in said.err
    assert entries(desk) == before


def test_an_event_is_about_a_contact_or_a_send_and_counts_once(desk: Terminal) -> None:
    serve_all(desk)
    one = desk.ok("event", "add", "visit.booked", "--contact", "K-1", "--dedupe", "b-1", "--json").record()
    two = desk.ok("event", "add", "visit.booked", "--contact", "K-1", "--dedupe", "b-1", "--json").record()
    assert (one["duplicate"], two["duplicate"]) == (False, True)
    letter = next((desk.folder / "desk.db.outbox" / "email").glob("*.eml")).read_text("utf-8")
    identity = next(line for line in letter.splitlines() if line.startswith("Message-ID:")).partition(" ")[2]
    told = desk.ok("event", "add", "email.bounced", "--send", identity, "--kind", "hard", "--json").record()
    assert told["send"] == identity.strip("<>").partition("@")[0]
    unknown = desk.dee("event", "add", "email.replied", "--send", "0" * 40)
    assert unknown.code == 1
    assert "unknown_send" in unknown.err


# -- erasure -----------------------------------------------------------------------------------------------------------


def bytes_of(desk: Terminal) -> bytes:
    """Everything in the file and its write-ahead log."""
    return b"".join(
        path.read_bytes() for path in Path(desk.folder).glob("desk.db*") if path.is_file() and path.suffix != ".toml"
    )


def test_an_erased_contact_is_gone_from_the_file_and_suppression_still_holds(desk: Terminal) -> None:
    serve_all(desk)
    desk.ok("suppress", "add", "cleo@unknown.example.com")
    assert b"cleo@unknown" in bytes_of(desk)
    told = desk.ok("contact", "erase", "K-3", "--yes", "--basis", "law", "--json").record()
    assert told["state"] == "done"
    assert b"cleo@unknown" not in bytes_of(desk)
    assert desk.ok("verify").code == desk.ok("replay").code == 0
    assert desk.ok("suppress", "check", "cleo@unknown.example.com", "--json").records() != []


def test_an_erasure_asks_first(desk: Terminal) -> None:
    before = entries(desk)
    said = desk.dee("contact", "erase", "K-3")
    assert said.code == 2
    assert "cannot be undone" in said.err
    assert desk.dee("contact", "erase", "K-99", "--yes").code == 1
    assert entries(desk) == before


def test_who_asked_is_recorded_with_every_input(desk: Terminal) -> None:
    for words in (
        ("consent", "grant", "K-1", "--channel", "sms"),
        ("suppress", "add", "K-2"),
        ("enroll", "welcome", "--contact", "K-1", *DAY),
        ("event", "add", "visit.booked", "--contact", "K-1"),
        ("policy", "set", "policy.toml"),
        ("contact", "erase", "K-4", "--yes"),
    ):
        desk.ok(*words, "--actor", "ann")
    connection = apsw.Connection(str(desk.file), flags=apsw.SQLITE_OPEN_READONLY)
    found = connection.execute("SELECT kind FROM input WHERE source = 'operator:ann' ORDER BY seq").fetchall()
    imported = connection.execute("SELECT DISTINCT source FROM input WHERE kind = 'contact.put'").fetchall()
    connection.close()
    assert [kind for (kind,) in found] == [
        "consent.set", "suppression.set", "run.enroll", "event", "policy.set", "contact.erase",
    ]  # fmt: skip
    assert imported == [("import:tester",)]
