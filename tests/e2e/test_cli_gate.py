"""The gate on the command line: asked, explained, with packs used, previewed, compared and asked about the past."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from gate_files import PACK, make_gate_file
from terminal import Terminal


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal at a file with consents, in the morning of New York."""
    monkeypatch.setenv("DEE_STATE_DIR", str(tmp_path / "memory"))
    monkeypatch.setenv("DEE_DB", str(tmp_path / "gate.db"))
    monkeypatch.setenv("USER", "tester")
    make_gate_file(tmp_path)
    desk = Terminal(tmp_path)
    desk.file = tmp_path / "gate.db"
    return desk


def digest(desk: Terminal) -> str:
    return hashlib.sha256(desk.file.read_bytes()).hexdigest()


# -- dee gate ----------------------------------------------------------------------------------------------------------


def test_the_ladder_is_told_rule_by_rule_with_the_law_and_the_next_instant(desk: Terminal) -> None:
    desk.ok("policy", "pack", "use", "house.toml")
    said = desk.dee("gate", "ana@example.com", "--channel", "email", "--purpose", "marketing")
    assert (said.code, said.err) == (1, "")
    lines = said.out.splitlines()
    assert lines[1] == (
        "asked    email for marketing, at 2026-11-18 06:06:40 -05:00 America/New_York (2026-11-18 11:06:40Z)"
    )
    assert lines[2] == "where    US-FL, individual or business is not known"
    assert "  ✔ address" in lines
    assert any(line.startswith("  ✔ asked ") and line.endswith("[policy]") for line in lines)
    assert (
        "  ‖ house/florida-hours  Mon-Sun 08:00-20:00 in America/New_York (Wed 06:06:40)  "
        "[pack house · Fla. Stat. 501.616(6)(a)]"
    ) in lines
    assert (
        "10 rules in use do not concern this send: other jurisdictions 1, not in force 1, exempt 1, other channels 6, "
        "deadlines 1 (--all lists them)"
    ) in lines
    assert lines[-1] == (
        "‖ held by house/florida-hours: it is outside the permitted hours, until "
        "2026-11-18 08:00:00 -05:00 America/New_York (2026-11-18 13:00:00Z)"
    )


def test_all_lists_what_does_not_concern_the_send_and_why(desk: Terminal) -> None:
    desk.ok("policy", "pack", "use", "house.toml")
    lines = desk.dee("gate", "K-1", "--channel", "email", "--purpose", "marketing", "--all").out.splitlines()
    told = {line.split()[1]: line.split(maxsplit=2)[2] for line in lines if line.startswith("  · ")}
    assert told["house/texas-hours"] == "other jurisdictions: for email · US-TX"
    assert told["house/from-next-year"] == "not in force: in force from 2027-01-01"
    assert len(told) == 10


def test_what_may_leave_exits_with_zero(desk: Terminal) -> None:
    said = desk.ok("gate", "K-4", "--plan", "letter", "--step", "it")
    assert said.out.splitlines()[-1] == "✔ it may leave now"
    later = desk.dee("gate", "K-1", "--plan", "ring", "--step", "it", "--at", "2026-11-21T13:00:00Z", "--json")
    assert (later.code, later.record()["verdict"], later.record()["reason"]) == (1, "deny", "list_missing")
    assert later.record()["hours_open"]["clocks"] == [
        {"zone": "America/New_York", "local": "2026-11-23T08:00:00-05:00"}
    ]


def test_without_a_message_content_is_not_asked_and_says_so(desk: Terminal) -> None:
    said = desk.ok("gate", "K-2", "--channel", "sms", "--plan", "note")
    assert "not asked, no message to look into (name --plan and --step): words" in said.out


def test_a_refusal_says_what_to_tell_the_file_and_that_is_enough(desk: Terminal) -> None:
    asked = ("gate", "K-5", "--channel", "voice", "--purpose", "marketing", "--at", "2026-11-18T18:00:00Z")
    desk.write(
        "asking.toml",
        """policy = "asking"
[[rule]]
id = "listed"
kind = "suppression"
lists = ["registry"]
[[rule]]
id = "any-consent"
kind = "consent"
[[rule]]
id = "written-consent"
kind = "consent"
classes = ["written"]
[[rule]]
id = "licensed"
kind = "fact"
require = [{ fact = "licensed" }]
[[rule]]
id = "calm"
kind = "fact"
require = [{ fact = "emergency", holds = false }]
""",
    )
    desk.ok("policy", "set", "asking.toml")
    refused = desk.dee(*asked)
    assert refused.code == 1
    needs = desk.dee(*asked, "--json").record()["needs"]
    assert [need["command"].partition(" --channel")[0].split()[1:3] for need in needs] == [
        ["suppress", "import"],
        ["fact", "set"],
        ["fact", "set"],
        ["consent", "grant"],
    ]
    assert all(f"{need['command']}  " in refused.out for need in needs)
    desk.write("FILE.csv", "+12025550199\n")
    for need in needs:
        desk.ok(*need["command"].split()[1:])
    assert desk.ok(*asked, "--json").record()["needs"] == []


def test_a_soft_opt_in_counts_for_the_pack_that_asks_for_one(desk: Terminal) -> None:
    desk.write("bare.toml", 'policy = "bare"\n[[rule]]\nid = "asked"\nkind = "consent"\nclasses = ["implied"]\n'
               'implied = { soft_opt_in = 1200 }\n')  # fmt: skip
    desk.ok("policy", "set", "bare.toml")
    asked = ("gate", "K-4", "--channel", "email", "--purpose", "transactional")
    assert desk.dee(*asked).code == 1
    grant = ("consent", "grant", "K-4", "--channel", "email", "--purpose", "transactional", "--class", "soft_opt_in")
    said = desk.dee(*grant, "--basis", "purchase")
    assert (said.code, "leave it out" in said.err) == (1, True)
    desk.ok(*grant)
    assert "email implied by soft_opt_in" in desk.ok(*asked).out


def test_a_question_is_recorded_nowhere(desk: Terminal) -> None:
    before = digest(desk)
    desk.dee("gate", "K-1", "--channel", "voice", "--purpose", "marketing")
    assert digest(desk) == before


@pytest.mark.parametrize(
    "words",
    [
        ("K-1",),
        ("K-1", "--channel", "email"),
        ("K-1", "--channel", "fax", "--purpose", "marketing"),
        ("K-1", "--channel", "email", "--purpose", "marketing", "--at", "yesterday"),
        ("K-1", "--channel", "email", "--purpose", "marketing", "--var", "debt"),
    ],
)
def test_half_a_question_is_a_usage_error(desk: Terminal, words: tuple[str, ...]) -> None:
    assert desk.dee("gate", *words).code == 2


def test_a_variable_counts_as_at_an_enrolment(desk: Terminal) -> None:
    assert desk.ok("gate", "K-4", "--channel", "email", "--purpose", "marketing", "--var", "debt=D-1").code == 0
    assert desk.dee("gate", "K-4", "--plan", "letter", "--channel", "email", "--var", "debt=D-1").code == 2


# -- packs -------------------------------------------------------------------------------------------------------------


def test_a_pack_is_checked_with_or_without_a_file(desk: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.ok("policy", "pack", "check", "house.toml").out == "house 1 is sound: 5 rules, 0 warnings\n"
    assert desk.ok("policy", "pack", "check", "us-federal", "--json").records()[-1]["refused"] == 0
    desk.write("wrong.toml", PACK.replace('kind          = "window"', 'kind          = "windows"', 1))
    wrong = desk.dee("policy", "pack", "check", "wrong.toml")
    assert wrong.code == 1
    assert "wrong.toml:10:" in wrong.out
    monkeypatch.setenv("DEE_DB", str(desk.folder / "nothing.db"))
    assert desk.ok("policy", "pack", "check", "house.toml").code == 0
    assert "US-FL" in desk.ok("policy", "pack", "show", "house.toml").out
    assert not (desk.folder / "nothing.db").exists()


def test_a_pack_comes_into_use_and_says_what_it_misses(desk: Terminal) -> None:
    used = desk.ok("policy", "pack", "use", "us-federal")
    assert used.out.startswith("the pack us-federal ")
    assert "! the list us-ndnc is not loaded (dee suppress import), for the want of which" in used.err
    assert "! nobody has recorded us-voice-opt-out (dee fact set), for the want of which" in used.err
    assert "! of 1 of 5 contacts no jurisdiction is known: every rule that names one refuses them" in used.err
    record = desk.ok("policy", "pack", "use", "house.toml", "--json").record()
    assert (record["pack"], record["version"], record["queued"]) == ("house", "1", [])
    assert record["needs"] == {"facts": [], "lists": [], "nowhere": 1, "contacts": 5}
    assert desk.ok("log", "--action", "pack", "--json").records()[-1]["detail"]["actor"] == "tester"


def test_packs_are_listed_in_use_first_with_the_version_that_is_shipped(desk: Terminal) -> None:
    desk.ok("policy", "pack", "use", "us-reg-f")
    shipped = Path(__file__).parents[2] / "dee_appliance" / "data" / "packs" / "us-federal.toml"
    older = shipped.read_text("utf-8").replace('version = "2026.11"', 'version = "2026.9"')
    desk.write("older.toml", older)
    desk.ok("policy", "pack", "use", "older.toml")
    rows = desk.ok("policy", "pack", "list", "--json").records()
    assert [(row["pack"], row["version"], row["newer"]) for row in rows if row["in_use"]] == [
        ("us-federal", "2026.9", "2026.11"),
        ("us-reg-f", "2026.11", ""),
    ]
    assert {row["pack"] for row in rows if not row["in_use"]} >= {"canada", "eu", "france", "uk"}
    text = desk.ok("policy", "pack", "list").out
    assert "the program ships another version of us-federal: dee policy pack diff us-federal us-federal" in text
    assert "~ version: 2026.9 → 2026.11" in desk.ok("policy", "pack", "diff", "us-federal", "us-federal").out
    assert desk.ok("policy", "pack", "diff", "us-reg-f", "us-reg-f").out == "they mean the same\n"


def test_a_pack_is_retired_once(desk: Terminal) -> None:
    desk.ok("policy", "pack", "use", "house.toml")
    assert desk.ok("policy", "pack", "retire", "house").out == "the pack house is not in use any more\n"
    again = desk.dee("policy", "pack", "retire", "house")
    assert (again.code, "not_in_use" in again.err) == (1, True)


def test_a_pack_whose_rules_another_has_is_refused(desk: Terminal) -> None:
    desk.write("policy.toml", (desk.folder / "policy.toml").read_text("utf-8").replace('"stop"', '"house/no-business"'))
    desk.ok("policy", "set", "policy.toml")
    refused = desk.dee("policy", "pack", "use", "house.toml")
    assert refused.code == 1
    assert "duplicate_rules" in refused.err


def test_a_rule_is_shown_with_its_source_and_its_doubts(desk: Terminal) -> None:
    lines = desk.ok("policy", "pack", "show", "us-federal", "--rule", "dnc-registry").out.splitlines()
    assert lines[2].startswith("  Not legal advice: ")
    assert "us-federal/dnc-registry  (suppression, for voice sms · marketing · US · individual subscribers)" in lines
    assert "  no address on the list us-ndnc, which must be loaded, at most 31 days old" in lines
    assert any(line.startswith("  source: 47 CFR 64.1200(c)(2)") for line in lines)
    assert any(line.startswith("  arguable: ") for line in lines)
    record = desk.ok("policy", "pack", "show", "us-federal", "--rule", "us-federal/dnc-registry", "--json").record()
    assert [rule["id"] for rule in record["rules"]] == ["us-federal/dnc-registry"]
    assert desk.dee("policy", "pack", "show", "us-federal", "--rule", "nothing").code == 1
    assert "did you mean" in desk.dee("policy", "pack", "show", "us-federl").err


def test_the_policy_shows_packs_facts_and_lists(desk: Terminal) -> None:
    desk.ok("policy", "pack", "use", "house.toml")
    desk.ok("fact", "set", "licensed", "on")
    record = desk.ok("policy", "show", "--json").record()
    assert [row["pack"] for row in record["packs"]] == ["house"]
    assert [(row["fact"], row["recorded"]) for row in record["facts"]] == [("licensed", "so")]
    text = desk.ok("policy", "show").out
    for words in (
        "at most 1 call in 7 local days per contact",
        "the fact licensed is recorded or the contact has landline",
        "the word STOP",
        "email.complained below 50.00 % of email.delivered",
        "2 in any 1m in the file",
    ):
        assert words in text


# -- what a change would do --------------------------------------------------------------------------------------------


def test_a_preview_lists_the_sends_that_would_be_judged_otherwise(desk: Terminal) -> None:
    desk.ok("halt", "--channel", "email")
    desk.ok("enroll", "letter", "--all")
    before = digest(desk)
    said = desk.ok("policy", "pack", "use", "house.toml", "--preview")
    assert "allow → hold house/florida-hours (outside_hours) until 2026-11-18 08:00:00 -05:00" in said.out
    assert "waiting: 5 queued sends, 0 held\n2 of 5 waiting sends get another verdict\n" in said.out
    assert "by plan: letter 2; by channel: email 2" in said.out
    assert said.out.endswith("nothing was changed; leave --preview out to do it\n")
    records = desk.ok("policy", "pack", "use", "house.toml", "--preview", "--json").records()
    assert sorted(record["flip"]["after"]["verdict"] for record in records[:-1]) == ["deny", "hold"]
    assert (records[-1]["preview"], records[-1]["flips"]["flips"]) == (True, 2)
    bare = desk.write(
        "bare.toml", 'policy = "bare"\n[[rule]]\nid = "nobody"\nkind = "consent"\nclasses = ["written"]\n'
    )
    assert "allow → deny nobody (consent_class)" in desk.ok("policy", "set", bare, "--preview").out
    assert digest(desk) == before


def test_a_preview_says_what_is_missing_before_the_pack_is_in_use(desk: Terminal) -> None:
    said = desk.ok("policy", "pack", "use", "us-federal", "--preview")
    for missing in ("us-voice-opt-out", "us-ndnc"):
        assert missing in said.err
    assert "us-voice-opt-out" not in desk.ok("fact", "list").out


def test_what_if_lists_the_entries_whose_verdict_flips(desk: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ok("enroll", "letter", "--contact", "K-1", "--contact", "K-4")
    desk.ok("serve", "--until-idle")
    before = digest(desk)
    said = desk.ok("what-if", "--pack", "house.toml")
    (line,) = [line for line in said.out.splitlines() if line.startswith("  entry ")]
    assert "allow → hold house/florida-hours (outside_hours), next 2026-11-18T13:00:00Z" in line
    assert "1 of 2 questions to the gate get another verdict" in said.out
    assert "2 runs: 1 the same, 1 changed, 0 beyond history" in said.out
    monkeypatch.delenv("DEE_DB")
    flip, changed, summary = desk.ok("what-if", "gate.db", "--pack", "house.toml", "--json").records()
    (entry,) = desk.ok("log", "--db", "gate.db", "--run", flip["flip"]["run"], "--json").records()[1:2]
    assert (flip["flip"]["entry"], entry["outcome"]) == (entry["seq"], "dispatched")
    assert (summary["flips"]["flips"], summary["flips"]["asked"]) == (1, 2)
    assert summary["counts"] == {"runs": 2, "same": 1, "changed": 1, "beyond": 0}
    of_run = {name: changed["changed"][name] for name in ("entry", "field", "recorded", "what_if", "before", "after")}
    assert of_run == {
        "entry": entry["seq"],
        "field": "outcome",
        "recorded": "dispatched",
        "what_if": "held",
        "before": "COMPLETED(done)",
        "after": "HELD(outside_hours)",
    }
    assert digest(desk) == before


def test_what_if_must_be_told_what_is_changed(desk: Terminal) -> None:
    assert desk.dee("what-if").code == 2
    assert desk.dee("what-if", "--template", "letter").code == 2
    assert desk.dee("what-if", "--pack", "nothing").code == 1
    assert desk.dee("what-if", "--template", "letter=letter.txt").code == 1
    assert desk.dee("what-if", "--zones", "policy.toml").code == 1


def test_what_if_shows_a_run_in_both_courses_and_where_they_part(desk: Terminal) -> None:
    desk.ok("enroll", "letter", "--contact", "K-1", "--contact", "K-4")
    desk.ok("serve", "--until-idle")
    (run,) = [one for one in desk.runs("--contact", "K-1") if one["run"]]
    plan = desk.folder / "letter.toml"
    plan.write_text(plan.read_text("utf-8").replace('"done"', '"written"'), "utf-8")
    other = desk.ok("what-if", "--plan", "letter.toml", "--rates", "policy.toml", "--run", run["run"], "--limit", "1")
    lines = other.out.splitlines()
    assert lines[0] == f"run {run['run']}"
    (parting,) = [line for line in lines if line.startswith("≠")]
    assert parting.endswith("end  end written")
    assert "2 runs: 0 the same, 2 changed, 0 beyond history" in lines
    assert "  … and 1 other: --limit lists more, --json all" in lines
    (told,) = [
        one
        for one in desk.ok("what-if", "--plan", "letter.toml", "--run", run["run"], "--json").records()
        if "run" in one
    ]
    assert [one["outcome"] for one in told["run"]["recorded"]] == ["enrolled", "dispatched", "accepted", "done"]
    assert [one["outcome"] for one in told["run"]["what_if"]] == ["enrolled", "dispatched", "accepted", "written"]


def test_of_a_long_ladder_a_timeline_names_what_did_not_pass(desk: Terminal) -> None:
    desk.ok("policy", "pack", "use", "us-federal")
    desk.ok("policy", "pack", "use", "us-states")
    desk.ok("enroll", "ring", "--contact", "K-1")
    desk.ok("serve", "--until-idle")
    (run,) = desk.runs("--contact", "K-1")
    (line,) = [one for one in desk.ok("run", "show", run["run"]).out.splitlines() if one.startswith("        gate ")]
    assert "us-federal/dnc-registry ✘ the list us-ndnc was never loaded" in line
    assert " ✔" not in line
    assert "          ✔ address" in desk.ok("why", "K-1").out


def test_what_if_does_without_a_pack_that_was_in_use_and_without_no_other(desk: Terminal) -> None:
    said = desk.dee("what-if", "--retire", "house")
    assert (said.code, said.out) == (1, "")
    assert "no pack `house` was ever in use" in said.err
    desk.ok("policy", "pack", "use", "house.toml")
    desk.ok("policy", "pack", "retire", "house")
    assert "0 of 0 questions" in desk.ok("what-if", "--retire", "house").out


def test_why_explains_by_the_packs_of_the_time(desk: Terminal) -> None:
    desk.ok("policy", "pack", "use", "house.toml")
    desk.ok("enroll", "letter", "--contact", "K-1")
    desk.ok("serve", "--until-idle")
    desk.ok("policy", "pack", "retire", "house")
    lines = desk.ok("why", "K-1").out.splitlines()
    (held,) = [line for line in lines if line.startswith("          ‖ ")]
    assert held.split(maxsplit=2)[1] == "house/florida-hours"
    assert held.endswith("Mon-Sun 08:00-20:00 in America/New_York (Wed 06:06:40)  [Fla. Stat. 501.616(6)(a)]")
