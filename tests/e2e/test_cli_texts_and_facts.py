"""What people text, on the command line; and facts that are recorded because rules ask for them."""

from __future__ import annotations

import pytest
from ledger_desk import ASKING, asking, entries, whole
from terminal import Terminal

# -- what people text ----------------------------------------------------------------------------------------------------


def test_a_text_that_says_stop_opts_out_at_once_and_start_takes_it_back(desk: Terminal) -> None:
    said = desk.ok("event", "add", "sms.replied", "--contact", "K-1", "--text", " Stop! ", "--json").record()
    assert said["word"] == "sms.stop"
    assert desk.ok("suppress", "check", "K-1", "--json").record()["channels"] == ["sms"]
    told = desk.ok("log", "--action", "event", "--json").records()
    assert [(one["outcome"], one["detail"].get("kind")) for one in told] == [
        ("sms.stop", "keyword"),
        ("sms.replied", None),
    ]
    assert " Stop! " in desk.ok("contact", "export", "K-1", "--json").out
    assert "Stop!" not in desk.ok("log", "--json").out
    desk.ok("event", "add", "sms.replied", "--contact", "K-1", "--text", "please do not stop")
    desk.ok("event", "add", "sms.replied", "--contact", "K-1", "--text", "Help?")
    assert desk.ok("suppress", "check", "K-1", "--json").record()["channels"] == ["sms"]
    desk.ok("event", "add", "sms.replied", "--contact", "K-1", "--text", "un-stop")
    assert desk.ok("suppress", "check", "K-1", "--json").record()["suppressed"] is False
    whole(desk)


def test_a_text_that_is_delivered_twice_counts_once(desk: Terminal) -> None:
    word = ("event", "add", "sms.replied", "--contact", "K-1", "--text", "STOP", "--dedupe", "provider-1")
    desk.ok(*word)
    desk.ok("suppress", "lift", "K-1", "--channel", "sms")
    before = entries(desk)
    assert "known already" in desk.ok(*word).out
    assert entries(desk) == before
    assert desk.ok("suppress", "check", "K-1", "--json").record()["suppressed"] is False


def test_an_opt_out_from_an_address_that_nobody_has_any_more_is_not_lost(desk: Terminal) -> None:
    desk.write("moved.csv", "customer_id,phone\nK-1,+12065550177\n")
    desk.ok("contact", "import", "moved.csv", "--on-existing", "update")
    before = entries(desk)
    said = desk.ok("event", "add", "sms.replied", "--contact", "+12065550101", "--text", "STOP", "--dedupe", "p-1")
    assert "no contact of this file has +12065550101; the address is suppressed" in said.out
    desk.ok("event", "add", "sms.replied", "--contact", "+12065550101", "--text", "STOP", "--dedupe", "p-1")
    assert entries(desk) == before + 1
    told = desk.ok("suppress", "check", "+12065550101", "--json").record()
    assert (told["contact"], told["channels"]) == (None, ["sms"])
    assert desk.ok("suppress", "check", "K-1", "--json").record()["suppressed"] is False
    assert desk.dee("event", "add", "sms.replied", "--contact", "+12065550101", "--text", "hello").code == 1
    assert desk.dee("event", "add", "email.opened", "--contact", "new@good.example.com").code == 1


def test_an_opt_out_of_a_stranger_reaches_as_far_as_the_rules_say(desk: Terminal) -> None:
    wide = ASKING + '[[rule]]\nid = "revocation"\nkind = "suppression"\nchannels = ["sms"]\nreach = "everything"\n'
    desk.write("wide.toml", wide)
    desk.ok("policy", "set", "wide.toml")
    desk.ok("event", "add", "sms.stop", "--contact", "+12065550199")
    desk.ok("event", "add", "email.unsubscribed", "--contact", "new@good.example.com")
    assert desk.ok("suppress", "check", "+12065550199", "--json").record()["channels"] == ["email", "sms", "voice"]
    assert desk.ok("suppress", "check", "new@good.example.com", "--json").record()["channels"] == ["email"]


def test_a_click_on_the_unsubscribe_button_is_told_as_one(desk: Terminal) -> None:
    desk.ok("event", "add", "email.unsubscribed", "--contact", "K-1", "--kind", "one_click")
    assert desk.ok("suppress", "check", "K-1", "--json").record()["channels"] == ["email"]
    (told,) = desk.ok("log", "--action", "event", "--json").records()
    assert told["detail"]["kind"] == "one_click"


@pytest.mark.parametrize(
    "words",
    [
        ("email.unsubscribed", "--kind", "hard"),
        ("email.bounced", "--kind", "one_click"),
        ("sms.stop", "--text", "STOP"),
        ("sms.replied", "--kind", "keyword"),
    ],
)
def test_a_kind_or_a_text_that_the_event_does_not_have_is_refused(desk: Terminal, words: tuple[str, ...]) -> None:
    assert desk.dee("event", "add", *words, "--contact", "K-1").code == 2


# -- facts ---------------------------------------------------------------------------------------------------------------


def test_facts_are_recorded_by_somebody_and_asked_for_by_rules(desk: Terminal) -> None:
    asking(desk)
    said = desk.ok("fact", "list")
    assert "license" in said.out
    assert "not recorded, so what asks for it does not pass: emergency, licensed" in said.err
    desk.ok("fact", "set", "licensed", "on", "--actor", "jo")
    desk.ok("fact", "set", "emergency", "off")
    rows = {row["name"]: row for row in desk.ok("fact", "list", "--json").records()}
    assert {name: row["value"] for name, row in rows.items()} == {"licensed": True, "emergency": False}
    assert (rows["licensed"]["actor"], [one["rule"] for one in rows["licensed"]["asked_by"]]) == ("jo", ["license"])
    assert [(one["rule"], one["wants"]) for one in rows["emergency"]["asked_by"]] == [("calm", False)]
    assert rows["licensed"]["entry"] < rows["emergency"]["entry"]
    assert desk.ok("fact", "list").err == ""
    desk.ok("fact", "set", "licensed", "unknown")
    assert {row["name"]: row["value"] for row in desk.ok("fact", "list", "--json").records()}["licensed"] is None
    whole(desk)


def test_a_fact_that_nobody_asks_for_is_recorded_with_a_word_about_it(desk: Terminal) -> None:
    asking(desk)
    said = desk.ok("fact", "set", "licenced", "on")
    assert "no rule in force asks for licenced; did you mean licensed?" in said.err
    assert desk.dee("fact", "set", "free text about somebody", "on").code == 1
    assert desk.dee("fact", "set", "licensed", "yes").code == 2


def test_a_file_that_has_no_facts_and_no_lists_says_so(desk: Terminal) -> None:
    assert desk.ok("fact", "list").out == "no fact is recorded, and no rule in force asks for one\n"
    assert desk.ok("suppress", "lists").out == "no suppression list is in use, and no rule in force asks for one\n"


def test_a_fact_opens_what_waited_for_it(desk: Terminal) -> None:
    asking(desk)
    desk.write("one.csv", "nobody@good.example.com\n")
    desk.ok("suppress", "import", "one.csv", "--list", "registry")
    desk.ok("fact", "set", "emergency", "off")
    desk.ok("arm")
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    desk.ok("serve", "--until-idle")
    assert desk.runs("--contact", "K-1")[0]["reason"] == "denied:fact_unknown"
    desk.ok("fact", "set", "licensed", "on")
    desk.ok("run", "retry", desk.run_of("K-1"))
    desk.ok("serve", "--until-idle")
    assert desk.runs("--contact", "K-1")[0]["status"] == "WAITING"
