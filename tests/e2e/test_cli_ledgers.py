"""Consent and suppression on the command line: granted, imported, listed, texted, asked about; and recorded facts."""

from __future__ import annotations

import os

import pytest
from ledger_desk import asking, entries, whole
from terminal import Said, Terminal

from dee_appliance.runtime.reading import open_view
from dee_appliance.store.inbox import staged_jobs

CONSENTS = """email,channel,purpose,class,basis,obtained,source,evidence,granted
ada@good.example.com,email,marketing,implied,purchase,2026-01-02,crm-1,"bought a kettle, order 77",yes
ben@good.example.com,email,*,express,,,form-9,,no
cleo@unknown.example.com,email,*,soft_opt_in,,,,,yes
"""
EVIDENCE = "ticked the box on /offers, 203.0.113.7"


# -- consent -------------------------------------------------------------------------------------------------------------


def grant(desk: Terminal, *more: object) -> Said:
    return desk.dee("consent", "grant", "K-1", "--channel", "email", *more)


def test_a_consent_is_shown_with_everything_it_rests_on(desk: Terminal) -> None:
    assert grant(desk, "--class", "implied", "--basis", "purchase", "--obtained", "2026-01-02", "--expires",
                 "2099-01-02", "--source", "order-77", "--evidence", EVIDENCE).code == 0  # fmt: skip
    assert grant(desk, "--class", "soft_opt_in", "--purpose", "marketing").code == 0
    assert desk.ok("consent", "revoke", "K-1", "--channel", "email").code == 0
    text = desk.ok("consent", "show", "K-1").out
    assert "✘ email for every purpose: revoked" in text
    assert "granted email for every purpose (implied, purchase), obtained 2026-01-0" in text
    assert f"evidence: “{EVIDENCE}”, as committed to in the log" in text
    told = desk.ok("consent", "show", "K-1", "--json").record()
    first = told["history"][0]
    assert (first["outcome"], first["consent_class"], first["basis"], first["source"]) == (
        "granted", "implied", "purchase", "order-77",
    )  # fmt: skip
    assert (first["obtained"]["utc"], first["expires"]["utc"]) == ("2026-01-02T00:00:00Z", "2099-01-02T00:00:00Z")
    assert (first["evidence"]["text"], first["evidence"]["state"]) == (EVIDENCE, "kept")
    assert [one["outcome"] for one in told["history"]] == ["granted", "granted", "revoked"]
    whole(desk)


def test_evidence_is_in_no_row_that_lasts_and_goes_with_the_contact(desk: Terminal) -> None:
    assert grant(desk, "--evidence", EVIDENCE).code == 0
    assert EVIDENCE not in desk.ok("log", "--json").out
    assert EVIDENCE in desk.ok("contact", "export", "K-1", "--json").out
    assert EVIDENCE in desk.ok("contact", "export", "K-1").out.replace("\\", "")
    identity = desk.ok("contact", "find", "K-1", "--json").records()[0]["contact"]
    desk.ok("contact", "erase", "K-1", "--yes")
    assert EVIDENCE.encode() not in desk.file.read_bytes()
    told = desk.ok("consent", "show", identity, "--json").record()["history"][0]["evidence"]
    assert (told["text"], told["state"]) == ("", "erased")
    assert "evidence: erased; the log committed to it as" in desk.ok("consent", "show", identity).out
    assert "from ," not in desk.ok("consent", "show", identity).out
    whole(desk)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--basis", "bought a kettle"), 2),
        (("--obtained", "yesterday"), 2),
        (("--obtained", "2090-01-01"), 1),
        (("--obtained", "2026-01-02", "--expires", "2026-01-01"), 1),
        (("--class", "explicit"), 2),
        (("--evidence", "x" * 4_001), 1),
    ],
)
def test_a_consent_that_makes_no_sense_changes_nothing(desk: Terminal, words: tuple[str, ...], code: int) -> None:
    before = entries(desk)
    said = grant(desk, *words)
    assert (said.code, said.out) == (code, "")
    assert entries(desk) == before


def test_an_implied_consent_without_a_basis_is_warned_about(desk: Terminal) -> None:
    assert "without --basis" in grant(desk, "--class", "implied").err


# -- consents from a file ------------------------------------------------------------------------------------------------


def test_consents_come_in_from_a_file_once(desk: Terminal) -> None:
    desk.write("consents.csv", CONSENTS)
    before = entries(desk)
    dry = desk.ok("consent", "import", "consents.csv", "--dry-run", "--json").record()
    assert (dry["granted"], dry["revoked"], dry["same"], entries(desk)) == (2, 1, 0, before)
    told = desk.ok("consent", "import", "consents.csv", "--json").record()
    assert (told["rows"], told["granted"], told["revoked"], told["rejected"], told["queued"]) == (3, 2, 1, 0, 0)
    assert entries(desk) == before + 3
    shown = desk.ok("consent", "show", "K-1").out
    assert "✔ email for marketing: granted (implied, purchase), obtained 2026-01-0" in shown
    assert "evidence: “bought a kettle, order 77”" in shown
    assert "✔ email for every purpose: granted (implied, soft_opt_in)" in desk.ok("consent", "show", "K-3").out
    again = desk.ok("consent", "import", "consents.csv", "--actor", "somebody-else", "--json").record()
    assert (again["granted"], again["revoked"], again["same"], entries(desk)) == (0, 0, 3, before + 3)
    whole(desk)


def test_what_was_revoked_meanwhile_stays_revoked_when_the_file_comes_again(desk: Terminal) -> None:
    desk.write("consents.csv", CONSENTS)
    desk.ok("consent", "import", "consents.csv")
    desk.ok("consent", "revoke", "K-1", "--channel", "email", "--purpose", "marketing")
    desk.ok("consent", "import", "consents.csv")
    assert "✘ email for marketing: revoked" in desk.ok("consent", "show", "K-1").out


def test_a_revocation_counts_again_after_a_grant(desk: Terminal) -> None:
    desk.write("consents.csv", CONSENTS)
    desk.ok("consent", "import", "consents.csv")
    desk.ok("consent", "grant", "K-2", "--channel", "email")
    assert desk.ok("consent", "import", "consents.csv", "--json").record()["revoked"] == 1
    assert "✘ email for every purpose: revoked" in desk.ok("consent", "show", "K-2").out


def test_one_bad_row_keeps_all_consents_out_and_is_named(desk: Terminal) -> None:
    bad = """email,key,channel
ada@good.example.com,K-1,email
ada@good.example.com,K-2,sms
nobody@good.example.com,,email
ben@good.example.com,,pigeon
ada@good.example.com,K-1,email
"""
    desk.write("bad.csv", bad)
    before = entries(desk)
    said = desk.dee("consent", "import", "bad.csv")
    assert said.code == 1
    assert "4 of 5 rows were rejected; nothing was imported" in said.err
    for line, code in (
        (3, "different_contacts"),
        (4, "contact_unknown"),
        (5, "channel_unknown"),
        (6, "duplicate_consent"),
    ):
        assert f"line {line}: {code}" in said.err
    assert entries(desk) == before
    assert (desk.folder / "bad.csv.rejects.csv").read_text("utf-8-sig").count("\n") == 5
    assert staged(desk) == 0
    told = desk.ok("consent", "import", "bad.csv", "--allow-rejects", "--json").record()
    assert (told["granted"], told["rejected"], told["rejects_file"]) == (1, 4, "bad.csv.rejects.csv")


def test_nobody_who_was_erased_is_given_a_consent(desk: Terminal) -> None:
    identity = desk.ok("contact", "find", "K-1", "--json").records()[0]["contact"]
    desk.ok("contact", "erase", "K-1", "--yes")
    desk.write("c.csv", f"contact,channel\n{identity},email\n")
    assert "contact_erased" in desk.dee("consent", "import", "c.csv").err


def staged(desk: Terminal) -> int:
    """How many rows of imports lie in the file that have not been let go."""
    with open_view(desk.file) as view:
        return sum(job.rows for job in staged_jobs(view.database))


# -- opt-outs from a file ------------------------------------------------------------------------------------------------

OUT = """phone,email,channel,date
+12065550101,,sms,2026-03-01
,ben@good.example.com,,
,stranger@else.example.com,,2026-01-31
,stranger@else.example.com,,2026-02-01
"""


def test_opt_outs_come_in_from_a_file_once(desk: Terminal) -> None:
    desk.write("out.csv", OUT)
    before = entries(desk)
    told = desk.ok("suppress", "import", "out.csv", "--json").record()
    assert (told["rows"], told["added"], told["same"], told["duplicate"], told["strangers"]) == (4, 3, 0, 1, 1)
    assert entries(desk) == before + 3
    ada = desk.ok("suppress", "check", "K-1", "--json").record()
    assert (ada["suppressed"], ada["channels"]) == (True, ["sms"])
    assert {row["kind"] for row in ada["suppressions"]} == {"contact", "phone"}
    assert ada["suppressions"][0]["since"]["utc"] == "2026-03-01T00:00:00Z"
    stranger = desk.ok("suppress", "check", "stranger@else.example.com", "--json").record()
    assert (stranger["contact"], stranger["channels"]) == (None, ["email", "sms", "voice"])
    again = desk.ok("suppress", "import", "out.csv", "--json").record()
    assert (again["added"], again["same"], entries(desk)) == (0, 3, before + 3)
    whole(desk)


def test_an_opt_out_of_a_stranger_meets_the_contact_that_comes_later(desk: Terminal) -> None:
    desk.write("out.csv", "email,channel\nnew@good.example.com,email\n")
    desk.ok("suppress", "import", "out.csv")
    desk.write("new.csv", "customer_id,email\nK-9,new@good.example.com\n")
    desk.ok("contact", "import", "new.csv")
    assert desk.ok("suppress", "check", "K-9", "--json").record()["channels"] == ["email"]


def test_an_opt_out_from_a_plan_names_one_that_there_is(desk: Terminal) -> None:
    desk.write("out.csv", "email,scope\nada@good.example.com,plan:welcome\nben@good.example.com,plan:nothing\n")
    assert "line 3: plan_unknown" in desk.dee("suppress", "import", "out.csv").err
    desk.ok("suppress", "import", "out.csv", "--allow-rejects")
    check = desk.ok("suppress", "check", "K-1", "--json").record()
    assert (check["suppressed"], check["channels"], check["plans"]) == (True, [], ["welcome"])
    assert "is suppressed of welcome" in desk.ok("suppress", "check", "K-1").out


@pytest.mark.parametrize(
    "words",
    [
        ("--as-of", "2026-01-01"),
        ("--allow-empty",),
        ("--list", "registry", "--reason", "x"),
        ("--list", "registry", "--as-of", "tomorrow"),
        ("--delimiter", "pipe"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(desk: Terminal, words: tuple[str, ...]) -> None:
    desk.write("out.csv", OUT)
    before = entries(desk)
    assert desk.dee("suppress", "import", "out.csv", *words).code == 2
    assert entries(desk) == before


@pytest.mark.slow
def test_an_import_that_is_killed_leaves_nothing_in_use(desk: Terminal) -> None:
    pipe = desk.folder / "pipe.csv"
    os.mkfifo(pipe)
    before = entries(desk)
    rows = "email\n" + "".join(f"p{number}@good.example.com\n" for number in range(20_000))
    with desk.start("suppress", "import", "pipe.csv") as process, pipe.open("w") as stream:
        stream.write(rows)
        stream.flush()
        while not staged(desk):
            assert process.poll() is None
        process.kill()
    assert entries(desk) == before
    assert "is not suppressed" in desk.ok("suppress", "check", "p1@good.example.com").out
    desk.write("again.csv", "email\np1@good.example.com\n")
    assert desk.ok("suppress", "import", "again.csv", "--json").record()["added"] == 1


# -- lists ---------------------------------------------------------------------------------------------------------------


def test_a_list_is_asked_by_the_rule_that_names_it_and_replaced_whole(desk: Terminal) -> None:
    asking(desk)
    missing = desk.ok("suppress", "lists", "--json").record()
    assert (missing["name"], missing["version"], missing["stale"]) == ("registry", None, True)
    assert "MISSING" in desk.ok("suppress", "lists").out
    desk.write("one.csv", "ada@good.example.com\nben@good.example.com\nAda@GOOD.example.com\n")
    told = desk.ok("suppress", "import", "one.csv", "--list", "registry", "--json").record()
    assert (told["version"], told["replaces"], told["rows"], told["entries"], told["duplicate"]) == (1, 0, 3, 2, 1)
    check = desk.ok("suppress", "check", "ada@good.example.com", "--json").record()
    assert (check["suppressed"], check["channels"], check["suppressions"]) == (True, [], [])
    (listed,) = check["lists"]
    assert (listed["name"], listed["version"], listed["kind"]) == ("registry", 1, "email")
    assert [one["rule"] for one in listed["stopped_by"]] == ["registry"]
    assert "stops email for transactional (registry)" in desk.ok("suppress", "check", "K-1").out
    desk.write("two.csv", "email\ncleo@unknown.example.com\n")
    told = desk.ok("suppress", "import", "two.csv", "--list", "registry", "--json").record()
    assert (told["version"], told["replaces"], told["entries"]) == (2, 1, 1)
    assert "is not suppressed" in desk.ok("suppress", "check", "ada@good.example.com").out
    assert "is suppressed" in desk.ok("suppress", "check", "cleo@unknown.example.com").out
    (row,) = desk.ok("suppress", "lists", "--json").records()
    assert (row["version"], row["entries"], row["stale"], row["age_days"]) == (2, 1, False, 0)
    whole(desk)


def test_a_list_that_is_too_old_says_so_and_stops_what_asks_it(desk: Terminal) -> None:
    asking(desk)
    desk.ok("fact", "set", "licensed", "on")
    desk.ok("fact", "set", "emergency", "off")
    desk.write("one.csv", "nobody@good.example.com\n")
    desk.ok("suppress", "import", "one.csv", "--list", "registry", "--as-of", "2020-01-01")
    said = desk.ok("suppress", "lists")
    assert "STALE" in said.out
    assert "dee suppress import FILE.csv --list registry" in said.err
    desk.ok("arm")
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    desk.ok("serve", "--until-idle")
    assert desk.runs("--contact", "K-1")[0]["reason"] == "denied:list_stale"


def test_whoever_is_on_the_list_is_not_written_to(desk: Terminal) -> None:
    asking(desk)
    desk.ok("fact", "set", "licensed", "on")
    desk.ok("fact", "set", "emergency", "off")
    desk.write("one.csv", "ada@good.example.com\n")
    desk.ok("suppress", "import", "one.csv", "--list", "registry")
    desk.ok("arm")
    for key in ("K-1", "K-2"):
        desk.ok("enroll", "welcome", "--contact", key, "--var", "day=2026-12-24")
    desk.ok("serve", "--until-idle")
    assert desk.runs("--contact", "K-1")[0]["reason"] == "denied:listed"
    assert desk.runs("--contact", "K-2")[0]["status"] == "WAITING"


def test_a_list_with_a_bad_row_leaves_the_earlier_version_in_use(desk: Terminal) -> None:
    desk.write("one.csv", "+12065550101\n")
    desk.ok("suppress", "import", "one.csv", "--list", "numbers")
    before = entries(desk)
    desk.write("two.csv", "number\n2065550102\n+12065550103\n")
    said = desk.dee("suppress", "import", "two.csv", "--list", "numbers")
    assert said.code == 1
    assert "line 2: phone_no_country" in said.err
    assert entries(desk) == before
    told = desk.ok("suppress", "import", "two.csv", "--list", "numbers", "--default-country", "US", "--json").record()
    assert (told["version"], told["entries"]) == (2, 2)


def test_an_empty_list_must_be_said_to_be_one(desk: Terminal) -> None:
    desk.write("none.csv", "phone\n")
    said = desk.dee("suppress", "import", "none.csv", "--list", "numbers")
    assert said.code == 1
    assert "--allow-empty" in said.err
    told = desk.ok("suppress", "import", "none.csv", "--list", "numbers", "--allow-empty", "--json").record()
    assert (told["version"], told["entries"]) == (1, 0)
    (row,) = desk.ok("suppress", "lists", "--json").records()
    assert (row["name"], row["version"], row["entries"], row["asked_by"]) == ("numbers", 1, 0, [])


def test_a_long_list_comes_in_by_inputs_of_five_hundred(desk: Terminal) -> None:
    desk.write("long.csv", "".join(f"p{number}@good.example.com\n" for number in range(1_001)))
    before = entries(desk)
    desk.ok("suppress", "import", "long.csv", "--list", "numbers")
    assert entries(desk) == before + 4
    told = desk.ok("log", "--action", "list", "--json").records()
    assert [one["detail"].get("tokens", one["detail"].get("count")) for one in told] == [500, 500, 1, 1_001]


# -- asked about ---------------------------------------------------------------------------------------------------------


def test_a_suppression_is_known_after_an_erasure_by_address_and_by_id(desk: Terminal) -> None:
    identity = desk.ok("contact", "find", "K-1", "--json").records()[0]["contact"]
    desk.ok("suppress", "add", "K-1", "--reason", "unsubscribed", "--since", "2026-02-03")
    desk.write("one.csv", "ada@good.example.com\n")
    desk.ok("suppress", "import", "one.csv", "--list", "numbers")
    desk.ok("contact", "erase", "K-1", "--yes")
    for who in ("ada@good.example.com", identity):
        told = desk.ok("suppress", "check", who, "--json").record()
        assert (told["erased"], told["suppressed"], told["contact"]) == (True, True, identity)
        assert told["channels"] == ["email", "sms", "voice"]
        assert [row["name"] for row in told["lists"]] == ["numbers"]
        assert all(row["address"] == "" for row in told["suppressions"])
        assert told["suppressions"][0]["since"]["utc"] == "2026-02-03T00:00:00Z"
    assert f"(erased, {identity}) is suppressed on email, sms, voice" in desk.ok("suppress", "check", identity).out


def test_what_is_neither_contact_nor_address_cannot_be_asked_about(desk: Terminal) -> None:
    assert desk.dee("suppress", "check", "K-99").code == 1
    assert desk.ok("suppress", "check", "new@good.example.com").out.startswith("✔ new@good.example.com, no contact")


def test_a_consent_that_changes_nothing_says_so(desk: Terminal) -> None:
    desk.ok("consent", "grant", "K-1", "--channel", "email", "--class", "written")
    weaker = desk.dee("consent", "grant", "K-1", "--channel", "email", "--class", "implied", "--basis", "purchase")
    assert weaker.code == 0
    assert "it is recorded and changes nothing" in weaker.err
    again = desk.ok("consent", "grant", "K-1", "--channel", "email", "--class", "written", "--json")
    assert again.record()["counts"] is True
