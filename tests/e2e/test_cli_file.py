"""Making, running, copying and arming a file; settings, trial mode, halts, health."""

from __future__ import annotations

import json
import shutil

import pytest
from terminal import Terminal, serve_all

from dee_appliance.kernel.e1.file_input import SETTINGS
from dee_appliance.runtime.clock import WallClock
from dee_appliance.store.lock import LoopLock


def outbox(desk: Terminal) -> list[str]:
    """Everything that left the file, by recipient."""
    letters = (desk.folder / "desk.db.outbox" / "email").glob("*.eml")
    lines = [line for letter in letters for line in letter.read_text("utf-8").splitlines() if line.startswith("To: ")]
    return sorted(line.removeprefix("To: ") for line in lines)


# -- making ------------------------------------------------------------------------------------------------------------


def test_a_new_file_says_what_to_do_next(bare: Terminal) -> None:
    said = bare.ok("init")
    assert "disarmed: it sends nothing yet" in said.out
    assert "next: dee plan publish" in said.out
    assert bare.ok("status", "--json").record()["clock"] == "real"


def test_a_simulated_file_starts_when_told(bare: Terminal) -> None:
    told = bare.ok(
        "init", "--simulated", "--start", "2026-11-23T09:00:00Z", "--seed", 7, "--assume", "replied=100%", "--json"
    )
    assert told.record()["epoch"] == 1_795_424_400
    assert told.record()["simulated"] is True
    assert bare.ok("status", "--json").record()["epoch"] == "2026-11-23T09:00:00Z"


def test_a_file_is_never_made_over_another(desk: Terminal) -> None:
    before = desk.file.read_bytes()
    assert desk.dee("init").code == 1
    assert desk.file.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--seed", "1"), 2),
        (("--start", "2026-11-23"), 2),
        (("--assume", "replied=4%"), 2),
        (("--simulated", "--assume", "replied=400%"), 2),
        (("--simulated", "--assume", "repiled=4%"), 2),
        (("--simulated", "--start", "soon"), 2),
        (("--simulated", "--seed", "-1"), 2),
        (("--policy", "missing.toml"), 1),
        (("--policy", "contacts.csv"), 1),
    ],
)
def test_what_makes_no_sense_makes_no_file(bare: Terminal, words: tuple[str, ...], code: int) -> None:
    bare.write("contacts.csv", "email\na@example.com\n")
    assert bare.dee("init", *words).code == code
    assert not bare.file.exists()


# -- running and sending -----------------------------------------------------------------------------------------------


def test_an_armed_file_sends_and_says_what_became_of_it(desk: Terminal) -> None:
    serve_all(desk)
    assert outbox(desk) == ["ada@good.example.com", "ben@good.example.com", "cleo@unknown.example.com"]
    runs = {row["contact"]: (row["status"], row["reason"]) for row in desk.runs()}
    assert sorted(runs.values()) == [
        ("FAILED", "outcome_unknown"),
        ("FAILED", "rejected_permanent"),
        ("WAITING", ""),
        ("WAITING", ""),
    ]


def test_a_file_that_was_never_armed_sends_nothing(desk: Terminal) -> None:
    desk.ok("enroll", "welcome", "--all", "--var", "day=2026-12-24")
    said = desk.ok("serve", "--until-idle", "--json").record()
    assert said["sends"] == "disarmed, this file is not armed on this host"
    assert said["idle"] is True
    assert outbox(desk) == []
    assert {row["status"] for row in desk.runs()} == {"ACTIVE"}


def test_a_disarmed_file_sends_nothing_until_it_is_armed_again(desk: Terminal) -> None:
    assert desk.ok("arm", "--json").record() == {"armed": True, "incarnation": 1}
    assert desk.ok("disarm", "--json").record() == {"armed": False}
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    desk.ok("serve", "--until-idle")
    assert outbox(desk) == []
    assert "armed (incarnation 2)" in desk.ok("arm").out
    desk.ok("serve", "--until-idle")
    assert outbox(desk) == ["ada@good.example.com"]


@pytest.mark.parametrize("how", ["snapshot", "copy"])
def test_a_copy_sends_nothing(desk: Terminal, how: str) -> None:
    desk.ok("arm")
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    copy = desk.folder / "copy.db"
    if how == "copy":
        shutil.copy(desk.file, copy)
    else:
        told = desk.ok("snapshot", copy, "--json").record()
        assert told == {"file": str(copy), "bytes": copy.stat().st_size}
    said = desk.ok("serve", "--until-idle", "--db", copy, "--json").record()
    assert said["sends"].startswith("disarmed, this is a copy")
    assert not (desk.folder / "copy.db.outbox").exists()


def test_an_older_copy_put_back_is_refused_until_the_loss_is_accepted(desk: Terminal) -> None:
    desk.ok("arm")
    older = desk.folder / "older.db"
    shutil.copy(desk.file, older)
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    desk.ok("serve", "--until-idle")
    shutil.copy(older, desk.file)
    refused = desk.dee("serve", "--until-idle")
    assert refused.code == 4
    assert "dee arm --accept-loss" in refused.err
    assert desk.dee("arm").code == 1
    desk.ok("arm", "--accept-loss")
    desk.ok("serve", "--until-idle")


def test_a_simulated_file_cannot_be_armed(bare: Terminal) -> None:
    bare.ok("init", "--simulated")
    said = bare.dee("arm")
    assert said.code == 1
    assert "can never send" in said.err


def test_mail_beyond_this_machine_needs_a_sender_of_ones_own(desk: Terminal) -> None:
    desk.write("desk.db.toml", '[channel.email]\nadapter = "smtp"\noptions = { host = "192.0.2.1", tls = "none" }\n')
    said = desk.dee("arm")
    assert said.code == 1
    assert "sender@example.com" in said.err
    desk.ok("config", "set", "sender.email", "team@clinic-of-dee.org")
    desk.ok("arm")


def test_one_process_runs_a_file(desk: Terminal) -> None:
    lock = LoopLock.try_acquire(desk.file, "another test", "2026-11-23T09:00:00Z")
    assert lock is not None
    with lock:
        said = desk.dee("serve", "--until-idle")
    assert said.code == 1
    assert "another test" in said.err


def test_a_snapshot_is_never_written_over_a_file(desk: Terminal) -> None:
    target = desk.write("precious.txt", "precious")
    assert desk.dee("snapshot", target).code == 1
    assert target.read_text("utf-8") == "precious"


# -- settings and trial mode -------------------------------------------------------------------------------------------


def test_settings_are_listed_and_changed(desk: Terminal) -> None:
    desk.ok("config", "set", "breaker.threshold", "3")
    desk.ok("config", "set", "sender.name", "Clinic")
    listed = {record["key"]: record for record in desk.ok("config", "list", "--json").records()}
    assert set(listed) == set(SETTINGS)
    assert listed["breaker.threshold"] == {"key": "breaker.threshold", "value": 3, "set": True, "type": "int"}
    assert listed["sender.name"]["value"] == "Clinic"
    assert listed["breaker.pause_s"] == {"key": "breaker.pause_s", "value": None, "set": False, "type": "int"}
    assert "sender.name" in desk.ok("config", "list").out


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("sender.emial", "a@example.com", "sender.email"),
        ("qqqqqqq", "1", "dee config list"),
        ("breaker.threshold", "many", "dee config list"),
        ("breaker.threshold", "1.5", "dee config list"),
        ("trial", "perhaps", "dee config list"),
        ("trial.guests", "a@example.com", "dee trial on"),
        ("sender.email", "nobody", ""),
        ("sender.unsubscribe", "a@b@c", ""),
        ("sender.domain", "two words", "example.com"),
        ("clock.max_outage_s", "9" * 20, "dee config list"),
        ("sender.name", "two\nlines", ""),
        ("simulation.assume", "replied=4", ""),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_before_the_log(
    desk: Terminal, key: str, value: str, hint: str
) -> None:
    before = desk.ok("status", "--json").record()["entries"]
    said = desk.dee("config", "set", key, value)
    assert said.code == 2
    assert hint in said.err
    assert desk.ok("status", "--json").record()["entries"] == before


def test_in_trial_mode_only_guests_are_reached(desk: Terminal) -> None:
    said = desk.ok("trial", "on", "--guest", "ADA@good.example.com", "--guest", "+12025550123", "--json")
    assert said.record() == {"trial": True, "guests": 2, "queued": []}
    serve_all(desk)
    assert outbox(desk) == ["ada@good.example.com"]
    assert desk.ok("trial", "off", "--json").record()["trial"] is False
    desk.ok("run", "resume", "--status", "HELD", "--yes")
    desk.ok("serve", "--until-idle")
    assert "ben@good.example.com" in outbox(desk)


def test_trial_mode_without_guests_says_that_nobody_is_reached(desk: Terminal) -> None:
    assert "nobody is on the guest list" in desk.ok("trial", "on").err


@pytest.mark.parametrize(
    ("words", "code"), [(("off", "--guest", "a@example.com"), 2), (("on", "--guest", "12"), 1), (("maybe",), 2)]
)
def test_a_trial_that_makes_no_sense_is_refused(desk: Terminal, words: tuple[str, ...], code: int) -> None:
    assert desk.dee("trial", *words).code == code


# -- halting -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", [(), ("--channel", "email"), ("--plan", "welcome")])
def test_what_is_halted_waits_until_it_is_released(desk: Terminal, scope: tuple[str, ...]) -> None:
    assert f"dee release{''.join(f' {word}' for word in scope)}" in desk.ok("halt", *scope).out
    serve_all(desk)
    assert outbox(desk) == []
    desk.ok("release", *scope)
    desk.ok("serve", "--until-idle")
    assert len(outbox(desk)) == 3


def test_another_channel_goes_on(desk: Terminal) -> None:
    desk.ok("halt", "--channel", "voice")
    serve_all(desk)
    assert len(outbox(desk)) == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("release",), 1, "nothing of this scope is halted (not_held)"),
        (("halt", "--plan", "nope"), 1, "there is no plan"),
        (("halt", "--plan", "welcome", "--channel", "email"), 2, "not both"),
        (("halt", "--channel", "pigeon"), 2, "pigeon"),
    ],
)
def test_a_halt_that_makes_no_sense_is_refused(desk: Terminal, words: tuple[str, ...], code: int, told: str) -> None:
    said = desk.dee(*words)
    assert said.code == code
    assert told in said.err


# -- policy ------------------------------------------------------------------------------------------------------------


def test_the_policy_in_force_is_shown_and_replaced(desk: Terminal) -> None:
    shown = desk.ok("policy", "show").out
    assert "daily_limit" in shown
    assert "100 a day (Etc/UTC) in the file" in shown
    assert "0.01 USD" in shown
    desk.write("policy.toml", (desk.folder / "policy.toml").read_text("utf-8").replace("limit = 100", "limit = 7"))
    digest = desk.ok("policy", "set", "policy.toml", "--json").record()["digest"]
    told = desk.ok("policy", "show", "--json").record()
    assert told["digest"] == digest
    assert [rule["limit"] for rule in told["policy"]["rules"] if rule["kind"] == "daily_limit"] == [7]


def test_every_kind_of_rule_is_shown_in_words(bare: Terminal) -> None:
    bare.write(
        "policy.toml",
        """
policy = "all"
currency = "EUR"
[[rule]]
id = "s"
kind = "suppression"
[[rule]]
id = "c"
kind = "consent"
classes = ["written"]
[[rule]]
id = "any"
kind = "consent"
channels = ["sms"]
[[rule]]
id = "h"
kind = "window"
channels = ["voice"]
hours = [{ days = "Mon-Fri", from = 09:00:00, to = 12:00:00 }, { days = "Mon-Fri", from = 13:00:00, to = 18:00:00 }]
closed_dates = [2026-12-25]
[[rule]]
id = "b"
kind = "budget"
amount = "2.50"
scope = "channel"
[[rate]]
channel = "email"
price = "0.01"
[[rate]]
channel = "voice"
price = "0.02"
prefix = "+49"
""",
    )
    bare.ok("init", "--policy", "policy.toml")
    shown = bare.ok("policy", "show").out
    for words in (
        "consent of class written",
        "consent in force",
        "2.50 EUR in all per channel",
        "nobody who has opted out or was suppressed",
        "+49",
    ):
        assert words in shown
    assert "closed on 2026-12-25" in shown


def test_a_policy_with_mistakes_changes_nothing(desk: Terminal) -> None:
    before = desk.ok("policy", "show", "--json").record()["digest"]
    desk.write("bad.toml", 'policy = "x"\n[[rule]]\nid = "a"\nkind = "dayly_limit"\n')
    said = desk.dee("policy", "set", "bad.toml")
    assert said.code == 1
    assert "bad.toml:" in said.err
    assert desk.ok("policy", "show", "--json").record()["digest"] == before


# -- health ------------------------------------------------------------------------------------------------------------


def test_a_healthy_machine_is_told_check_by_check(desk: Terminal) -> None:
    found = desk.ok("health", "--json").records()
    assert all(record["ok"] for record in found)
    assert {record["what"] for record in found} >= {
        "file", "armed", "loop", "folder", "state directory", "clock", "channel email", "channel sms", "channel voice",
    }  # fmt: skip
    assert "✔ file" in desk.ok("health").out


def test_what_is_ill_is_named_and_the_other_checks_go_on(desk: Terminal) -> None:
    desk.write("desk.db.toml", '[channel.email]\nadapter = "pigeon"\n')
    said = desk.dee("health", "--json")
    ill = [record for record in said.records() if not record["ok"]]
    assert said.code == 1
    assert [(record["what"], "pigeon" in record["note"]) for record in ill] == [("channels", True)]
    assert said.error()["what"] == "1 check failed"


def test_health_of_no_file_is_no_traceback(bare: Terminal) -> None:
    said = bare.dee("health")
    assert said.code == 1
    assert "there is no such file" in said.out


def test_a_clock_behind_the_file_is_ill(desk: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = WallClock().now()
    desk.ok("halt")
    monkeypatch.setattr(WallClock, "now", lambda _: now - 3_600)
    said = desk.dee("health", "--json")
    (clock,) = [record for record in said.records() if record["what"] == "clock"]
    assert (said.code, clock["ok"]) == (1, False)


def test_a_long_silence_is_an_outage_only_when_something_was_to_be_done_in_it(
    desk: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = WallClock().now()
    with monkeypatch.context() as later:
        later.setattr(WallClock, "now", lambda _: now + 10 * 86_400)
        assert "dee release" not in desk.ok("health").out
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    monkeypatch.setattr(WallClock, "now", lambda _: now + 10 * 86_400)
    assert "dee release" in desk.ok("health").out


def test_a_smtp_server_that_is_not_there_is_ill(desk: Terminal) -> None:
    desk.write(
        "desk.db.toml",
        '[channel.email]\nadapter = "smtp"\n[channel.email.options]\nhost = "127.0.0.1"\nport = 9\n'
        'username = "u"\npassword = "hunter2"\n',
    )
    said = desk.dee("health", "--json")
    told = {record["what"]: record for record in said.records()}
    assert told["channel email"]["ok"] is False
    assert "certificates" in told
    assert "hunter2" not in json.dumps(told)


@pytest.mark.parametrize(
    "words",
    [
        ("contact", "import", "dirty.csv", "--allow-rejects", "--rejects"),
        ("contact", "import", "dirty.csv", "--dry-run", "--rejects"),
        ("plan", "graph", "welcome", "--out"),
        ("export", "RUN", "--out"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_what_a_command_writes_never_replaces_a_database_or_what_it_was_made_of(
    desk: Terminal, words: tuple[str, ...]
) -> None:
    desk.write("dirty.csv", "email\nnot-an-address\nfay@good.example.com\n")
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    desk.ok("snapshot", "backup.db")
    told = [desk.run_of("K-1") if word == "RUN" else word for word in words]
    for name in ("desk.db", "./desk.db", "desk.db.lock", "desk.db.toml", "backup.db"):
        before = (desk.folder / name).read_bytes()
        said = desk.dee(*told, name)
        assert (said.code, said.out) == (1, "")
        assert "would be overwritten" in said.err
        assert (desk.folder / name).read_bytes() == before


def test_a_graph_never_replaces_its_plan(desk: Terminal) -> None:
    before = (desk.folder / "plan.toml").read_bytes()
    assert "would be overwritten" in desk.dee("plan", "graph", "plan.toml", "--out", "plan.toml").err
    assert (desk.folder / "plan.toml").read_bytes() == before


def test_a_log_in_which_nothing_fits_says_so(desk: Terminal) -> None:
    said = desk.ok("log", "--action", "hlat")
    assert (said.out, said.err) == ("", "no entry fits\n")


def test_a_look_at_the_health_changes_nothing(desk: Terminal) -> None:
    before = sorted(desk.folder.rglob("*"))
    assert desk.ok("health").out.count("✔ channel") == 3
    assert [path for path in sorted(desk.folder.rglob("*")) if path not in before] == []


def test_a_backup_that_was_put_back_is_no_healthy_file(desk: Terminal) -> None:
    desk.ok("arm")
    desk.ok("snapshot", "backup.db")
    desk.ok("halt")
    assert desk.ok("health").out.count("✘") == 0
    shutil.copy(desk.folder / "backup.db", desk.file)
    said = desk.dee("health")
    assert said.code == 1
    assert "✘ armed            no: the file is behind what it had reached: an older copy was put back" in said.out
    assert "disarmed: the file is behind what it had reached: an older copy was put back" in desk.ok("status").out


@pytest.mark.slow
def test_a_copy_that_finds_no_room_leaves_nothing_and_does_not_blame_the_file(desk: Terminal) -> None:
    before = sorted(desk.folder.iterdir())
    said = desk.with_files_no_longer_than(100, "snapshot", "copy.db")
    assert (said.code, said.out) == (1, "")
    assert "the copy could not be made" in said.err
    assert f"where: {desk.folder}\n" in said.err
    assert sorted(desk.folder.iterdir()) == before
