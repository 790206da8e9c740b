"""Small histories of which it is known what would have come out with a change: a what-if against the right answer.

Three people get a letter, wait three days for a reply, and get another one. Ann replies after an hour, Ben after two days and a
half, Cleo never does.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest
from report_files import NOTHING_BY_ITSELF, START, serve_until
from zone_files import make_zone_file, moved

from dee_appliance import Engine
from dee_appliance.errors import Divergence, Refused
from dee_appliance.kernel.e1.encoding import send_key
from dee_appliance.kernel.e1.run import Given
from dee_appliance.replay.changed_shell import KeepingShell
from dee_appliance.replay.what_if import BEYOND, RunChange, WhatIf, WhatIfOptions
from dee_appliance.runtime.changed_documents import ChangedFiles
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.reports import RunFilter

HOUR_S, DAY_S = 3_600, 86_400
POLICY = """
policy   = "house"
currency = "USD"
[[rule]]
id   = "stop"
kind = "suppression"
[[rule]]
id    = "day"
kind  = "daily_limit"
limit = 3
[[rule]]
id     = "money"
kind   = "budget"
amount = "1.00"
[[rate]]
channel = "email"
price   = "0.10"
"""
PLAN = """
plan    = "two-letters"
version = 1
purpose = "transactional"
[[step]]
id       = "first"
do       = "send_email"
template = "first"
[[step]]
id    = "pause"
do    = "wait"
until = 'replied("first")'
then  = "won"
for   = "3d"
[[step]]
id       = "second"
do       = "send_email"
template = "second"
[[step]]
id      = "lost"
do      = "end"
outcome = "no_reply"
[[step]]
id      = "won"
do      = "end"
outcome = "replied"
"""
PACK = """
[pack]
id      = "letters"
version = "1"
title   = "Letters"
as_of   = 2026-11-18
notice  = "Not legal advice."
[[rule]]
id            = "only-germany"
kind          = "consent"
channels      = ["email"]
jurisdictions = ["US"]
cite          = "a law"
url           = "https://example.com/law"
as_of         = 2026-11-18
confidence    = "primary"
"""
SENDER = {"email": "us@example.com", "name": "Us", "domain": "example.com"}
CONTACTS = """customer_id,first_name,last_name,email,timezone,region
ann,Ann,Archer,ann@example.com,Europe/Berlin,DE-BE
ben,Ben,Brown,ben@example.com,Europe/Berlin,DE-BE
cleo,Cleo,,cleo@example.com,America/New_York,US-NY
"""
TEXTS = {
    "policy.toml": POLICY,
    "plan.toml": PLAN,
    "pack.toml": PACK,
    "contacts.csv": CONTACTS,
    "templates/first.eml.j2": "Subject: Hello\n\nHello {{ contact.first_name }}.\n",
    "templates/second.eml.j2": "Subject: Again\n\nHello again {{ contact.first_name }}.\n",
}


def make(folder: Path, **texts: str) -> Engine:
    """Make the file and write its history. `texts` are other policies or plans, by the name without ending."""
    for name, text in {**TEXTS, **{f"{name}.toml": text for name, text in texts.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    engine = Engine.create(
        folder / "past.db", simulated=True, start=START, assume=NOTHING_BY_ITSELF, policy=folder / "policy.toml"
    )
    for name, value in SENDER.items():
        engine.set_setting(f"sender.{name}", value)
    engine.publish_plan(folder / "plan.toml")
    engine.import_contacts(folder / "contacts.csv")
    for key in ("ann", "ben", "cleo"):
        engine.enroll("two-letters", [key])
    serve_until(engine, START)
    return engine


def reply(engine: Engine, key: str, tick: int) -> None:
    """Let a person answer the first letter."""
    then = Engine(engine.path, clock=SetClock(tick))
    (run,) = engine.runs(RunFilter(contact=key))
    with engine.view() as view:
        send = send_key(view.lineage, run.run, "first", 1)
    then.add_event("email.replied", send_key=send)


def tell(engine: Engine) -> Engine:
    """After an hour Ann replies, after two days and a half Ben does; the second letter goes to Cleo."""
    reply(engine, "ann", START + HOUR_S)
    reply(engine, "ben", START + 60 * HOUR_S)
    engine.serve(until_idle=True)
    return engine


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history that most tests ask about."""
    engine = tell(make(tmp_path_factory.mktemp("courses")))
    assert standings(engine) == {
        "ann": "COMPLETED(replied)",
        "ben": "COMPLETED(replied)",
        "cleo": "COMPLETED(no_reply)",
    }
    return engine.path.parent


@pytest.fixture
def engine(made: Path, tmp_path: Path) -> Engine:
    """A copy of the file."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Engine(tmp_path / "past.db")


def standings(engine: Engine) -> dict[str, str]:
    return {
        key: f"{row.status}({row.reason})" if row.reason else row.status
        for key in ("ann", "ben", "cleo")
        for row in engine.runs(RunFilter(contact=key))
    }


def beside(engine: Engine, name: str, old: str = "", new: str = "", *, source: str = "") -> str:
    """Write a text that differs from the file's in one place, and return its path."""
    text = (engine.path.parent / (source or name)).read_text("utf-8")
    assert old in text
    target = engine.path.parent / name.replace(".", "-other.", 1) if old else engine.path.parent / name
    target.write_text(text.replace(old, new), "utf-8")
    return str(target)


def asked(engine: Engine, *, run: str | None = None, **files: Any) -> tuple[WhatIf, dict[str, RunChange]]:
    """Ask; the runs that go another way come by the contact's key."""
    found: list[RunChange] = []
    with engine.view() as view:
        keys = {view.resolve_contact(key): key for key in ("ann", "ben", "cleo")}
    before = hashlib.sha256(engine.path.read_bytes()).digest()
    change = engine.changed_history(ChangedFiles(**files))
    told = engine.what_if(change, options=WhatIfOptions(run=run, on_run=found.append))
    assert hashlib.sha256(engine.path.read_bytes()).digest() == before
    assert told.counts.runs == told.counts.same + told.counts.changed + told.counts.beyond
    assert sum(one.runs for one in told.outcomes) == told.counts.runs
    return told, {keys[one.contact]: one for one in found}


def ends(told: dict[str, RunChange]) -> dict[str, str]:
    return {key: one.after for key, one in told.items()}


# -- nothing -----------------------------------------------------------------------------------------------------------


def test_the_documents_of_the_file_change_nothing(engine: Engine) -> None:
    found, told = asked(engine, plans=(beside(engine, "plan.toml"),), policy=beside(engine, "policy.toml"))
    assert (found.swaps, told, found.counts.same) == ((), {}, 3)


def test_what_was_rendered_is_kept_no_longer_than_its_second(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    def counted(self: KeepingShell, *about: Any) -> Given:
        given = give(self, *about)
        kept.append(len(self.kept))
        return given

    give = KeepingShell.give
    monkeypatch.setattr(KeepingShell, "give", counted)
    asked(engine, plans=(beside(engine, "plan.toml"),))
    assert kept == [1, 2, 3, 1], "three letters, and days later the last one"
    kept.clear()
    asked(engine, plans=(beside(engine, "plan.toml", '"no_reply"', '"silence"'),))
    assert kept == [1, 2, 3, 1]


def test_another_title_is_another_plan_in_which_everybody_does_the_same(engine: Engine) -> None:
    plan = beside(engine, "plan.toml", 'purpose = "transactional"', 'purpose = "transactional"\ntitle = "Letters"')
    found, told = asked(engine, plans=(plan,))
    assert [swap.what for swap in found.swaps] == ["plan two-letters@1"]
    assert (told, found.added, found.dropped, found.refused, found.unmade) == ({}, {}, {}, {}, 0)


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_shorter_wait_takes_who_had_not_replied_by_then_beyond_history(engine: Engine) -> None:
    plan = beside(engine, "plan.toml", '"3d"', '"2d"')
    found, told = asked(engine, plans=(plan,))
    assert ends(told) == {"ben": BEYOND, "cleo": BEYOND}
    ben, cleo = told["ben"], told["cleo"]
    assert (ben.first.step, ben.first.field, ben.first.recorded, ben.first.what_if) == (
        "pause",
        "action",
        "event",
        "wait",
    )
    assert (cleo.first.field, cleo.first.what_if) == ("tick", START + 2 * DAY_S)
    assert ben.beyond is not None
    assert (ben.beyond.tick, ben.beyond.step) == (START + 2 * DAY_S, "second")
    assert found.uncertain_from == START + 2 * DAY_S
    assert found.sends == {"send_email": (4, 5)}
    assert found.cost == {"USD": (400_000, 500_000)}
    # What was said of Cleo's second letter was said of one that left a day later.
    assert found.dropped == {"attempt.answered": 1}
    assert found.added == {"clock": 1, "dispatch.pull": 1}


def test_a_longer_wait_lets_somebody_else_reply_and_ends_with_the_record(engine: Engine) -> None:
    plan = beside(engine, "plan.toml", '"3d"', '"9d"')
    found, told = asked(engine, plans=(plan,))
    assert ends(told) == {"cleo": "WAITING"}
    assert found.sends == {"send_email": (4, 3)}
    assert found.dropped == {"attempt.answered": 1}


def test_a_run_that_branches_elsewhere_goes_on_there(engine: Engine) -> None:
    """Nothing is sent on the new way, so history says all there is to say."""
    plan = beside(
        engine,
        "plan.toml",
        'id       = "second"',
        'id = "sort"\ndo = "branch"\ncase = [{ when = \'opened("first")\', then = "second" }]\nelse = "lost"\n'
        '[[step]]\nid       = "second"',
    )
    found, told = asked(engine, plans=(plan,))
    cleo = told.pop("cleo")
    assert (told, cleo.first.step, cleo.first.recorded, cleo.first.what_if) == ({}, "pause", "second", "sort")
    assert (cleo.before, cleo.after, cleo.beyond) == ("COMPLETED(no_reply)", "COMPLETED(no_reply)", None)
    assert found.sends == {"send_email": (4, 3)}
    assert found.uncertain_from is None


def test_a_run_is_shown_in_both_courses(engine: Engine) -> None:
    (run,) = engine.runs(RunFilter(contact="cleo"))
    found, _ = asked(engine, run=run.run, plans=(beside(engine, "plan.toml", '"3d"', '"2d"'),))
    assert found.run is not None
    then, now = found.run.recorded, found.run.what_if
    assert [(one.step, one.outcome) for one in now] == [(one.step, one.outcome) for one in then[: len(now)]]
    assert [one.tick - START for one in then][2:] == [0, 3 * DAY_S, 3 * DAY_S, 3 * DAY_S, 3 * DAY_S]
    assert [one.tick - START for one in now][2:] == [0, 2 * DAY_S, 2 * DAY_S]
    with pytest.raises(Refused, match="there is no run run_nobody"):
        asked(engine, run="run_nobody", plans=(beside(engine, "plan.toml", '"3d"', '"2d"'),))


def test_the_last_runs_alone_are_reported(engine: Engine) -> None:
    change = engine.changed_history(ChangedFiles(plans=(beside(engine, "plan.toml", '"3d"', '"2d"'),)))
    found = engine.what_if(change, options=WhatIfOptions(last=1, limit=0))
    assert (found.counts.runs, found.counts.beyond, found.shown) == (1, 1, ())


def test_while_the_loop_was_down_it_is_down_in_the_other_course_too(tmp_path: Path) -> None:
    """Nobody served the file from the third day to the fifth: a wait of four days ends on the fifth as well."""
    engine = make(tmp_path)
    Engine(engine.path, clock=SetClock(START + 5 * DAY_S)).set_fact("registered", value=True)
    engine.serve(until_idle=True)
    _, told = asked(engine, plans=(beside(engine, "plan.toml", '"3d"', '"4d"'),))
    cleo = told["cleo"]
    assert (cleo.first.field, cleo.first.recorded, cleo.first.what_if) == ("detail.late", 2 * DAY_S, DAY_S)
    assert (cleo.after, cleo.beyond) == ("COMPLETED(no_reply)", None)
    _, told = asked(engine, plans=(beside(engine, "plan.toml", '"3d"', '"2d"'),))
    assert told["cleo"].beyond is not None
    assert told["cleo"].beyond.tick == START + 2 * DAY_S


# -- rules -------------------------------------------------------------------------------------------------------------


def test_a_smaller_budget_refuses_who_comes_last_and_leaves_the_rest_alone(engine: Engine) -> None:
    found, told = asked(engine, policy=beside(engine, "policy.toml", '"1.00"', '"0.20"'))
    assert ends(told) == {"cleo": "FAILED(denied:budget)"}
    assert (told["cleo"].first.step, told["cleo"].first.recorded, told["cleo"].first.what_if) == (
        "first",
        "dispatched",
        "denied",
    )
    assert found.denied == {"money": (0, 1)}
    assert found.cost == {"USD": (400_000, 200_000)}


def test_what_one_run_does_not_spend_another_one_may(tmp_path: Path) -> None:
    """A limit of two held Cleo for a day; without the others there is room for her, at a time that history does not know."""
    engine = tell(make(tmp_path, policy=POLICY.replace("limit = 3", "limit = 2")))
    found, told = asked(engine, packs=(beside(engine, "pack.toml", '["US"]', '["DE"]'),))
    assert ends(told) == {"ann": "FAILED(denied:no_consent)", "ben": "FAILED(denied:no_consent)", "cleo": BEYOND}
    assert told["cleo"].beyond is not None
    assert told["cleo"].beyond.tick == START
    assert found.held == {"day": (1, 0)}


def test_a_lower_limit_holds_who_comes_last_until_the_next_day(engine: Engine) -> None:
    found, told = asked(engine, policy=beside(engine, "policy.toml", "limit = 3", "limit = 2"))
    assert ends(told) == {"cleo": BEYOND}
    assert told["cleo"].beyond is not None
    assert told["cleo"].beyond.tick == START - START % DAY_S + DAY_S
    assert found.held == {"day": (0, 1)}


def test_other_hours_hold_a_send_until_they_begin(engine: Engine) -> None:
    hours = '[[rule]]\nid = "office"\nkind = "window"\nhours = { days = "Mon-Sun", from = 08:00:00, to = 20:00:00 }\n'
    found, told = asked(engine, policy=beside(engine, "policy.toml", "[[rate]]", hours + "[[rate]]"))
    assert ends(told) == {"cleo": BEYOND}
    assert told["cleo"].beyond is not None
    assert told["cleo"].beyond.tick == START - START % DAY_S + 13 * HOUR_S
    assert found.held == {"office": (0, 1)}
    assert found.flips is not None
    assert found.flips.flips == 2  # each question by itself: her second letter was asked about as well


def test_a_pack_refuses_whom_it_concerns(engine: Engine) -> None:
    found, told = asked(engine, packs=(beside(engine, "pack.toml"),))
    assert ends(told) == {"cleo": "FAILED(denied:no_consent)"}
    assert found.denied == {"letters/only-germany": (0, 1)}


def test_a_pack_that_was_in_use_is_left_out(tmp_path: Path) -> None:
    engine = make(tmp_path)
    engine.use_pack(tmp_path / "pack.toml")
    tell(engine)
    assert standings(engine)["cleo"] == "FAILED(denied:no_consent)"
    found, told = asked(engine, retire=("letters",))
    assert ends(told) == {"cleo": BEYOND}
    assert found.dropped == {}
    assert [(swap.what, swap.after) for swap in found.swaps] == [("pack letters", "")]


def test_a_verb_that_answered_to_a_failure_does_not_apply_without_it(tmp_path: Path) -> None:
    engine = make(tmp_path)
    engine.use_pack(tmp_path / "pack.toml")
    tell(engine)
    (run,) = engine.runs(RunFilter(contact="cleo"))
    engine.operate("retry", [run.run])
    engine.serve(until_idle=True)
    found, _ = asked(engine, retire=("letters",))
    assert found.dropped == {"run.verb": 1}


def test_a_rate_card_changes_costs_alone(engine: Engine) -> None:
    found, told = asked(engine, rates=beside(engine, "policy.toml", '"0.10"', '"0.11"'))
    assert told == {}
    assert found.cost == {"USD": (400_000, 440_000)}


def test_a_rate_card_that_breaks_the_budget_refuses(engine: Engine) -> None:
    rates = beside(engine, "policy.toml", '"0.10"', '"0.30"')
    found, told = asked(engine, rates=rates)
    assert ends(told) == {"cleo": "FAILED(denied:budget)"}
    assert found.cost == {"USD": (400_000, 900_000)}


# -- templates and clocks ----------------------------------------------------------------------------------------------


def test_another_text_is_taken_to_have_met_with_the_same_reactions(engine: Engine) -> None:
    template = beside(engine, "templates/first.eml.j2", "Hello {{", "Good day {{")
    found, told = asked(engine, templates={"first": template})
    assert (told, found.counts.same, [swap.what for swap in found.swaps]) == ({}, 3, ["plan two-letters@1"])


def test_a_text_that_needs_what_is_not_there_fails(engine: Engine) -> None:
    template = beside(engine, "templates/second.eml.j2", "first_name", "last_name")
    _, told = asked(engine, templates={"second": template})
    assert ends(told) == {"cleo": "FAILED(render_failed)"}


def test_another_text_of_another_plan_is_another_message(engine: Engine) -> None:
    """A plan that brings its own texts is not a change of a template: nobody has reacted to that letter."""
    elsewhere = engine.path.parent / "elsewhere"
    shutil.copytree(engine.path.parent / "templates", elsewhere / "templates")
    shutil.copy(engine.path.parent / "plan.toml", elsewhere)
    first = elsewhere / "templates" / "first.eml.j2"
    first.write_text(first.read_text("utf-8").replace("Hello {{", "Dear {{"), "utf-8")
    _, told = asked(engine, plans=(str(elsewhere / "plan.toml"),))
    assert ends(told) == dict.fromkeys(("ann", "ben", "cleo"), BEYOND)


def test_where_the_data_are_gone_a_message_is_taken_as_made(engine: Engine) -> None:
    engine.erase_contact("cleo")
    template = beside(engine, "templates/second.eml.j2", "first_name", "last_name")
    change = engine.changed_history(ChangedFiles(templates={"second": template}))
    found = engine.what_if(change)
    assert (found.counts.same, found.unmade) == (3, 1)


def test_another_time_zone_table_moves_who_waits_for_a_clock(tmp_path: Path) -> None:
    engine = make_zone_file(tmp_path)
    engine.serve(until_idle=True)
    table = moved(tmp_path, "America/New_York", shift_s=HOUR_S)
    found = engine.what_if(engine.changed_history(ChangedFiles(zones=str(table))))
    at = {(one.plan, one.first.step, one.first.field): one for one in found.shown}
    waited = at[("morning", "nine", "tick")]
    assert (waited.before, waited.after) == ("COMPLETED(woken)", "COMPLETED(woken)")
    assert waited.first.recorded - waited.first.what_if == HOUR_S  # type: ignore[operator]
    assert at[("ring", "ring", "detail.until")].after == BEYOND


# -- what cannot be asked ----------------------------------------------------------------------------------------------


def test_what_the_file_does_not_have_cannot_be_changed(engine: Engine) -> None:
    with pytest.raises(Refused, match="the file has no plan other"):
        asked(engine, plans=(beside(engine, "plan.toml", '"two-letters"', '"other"'),))
    with pytest.raises(Refused, match="no plan has this e-mail template: `third`"):
        asked(engine, templates={"third": beside(engine, "templates/first.eml.j2")})


@pytest.mark.breaks_its_file
def test_a_history_that_does_not_come_out_as_recorded_says_nothing(engine: Engine) -> None:
    connection = apsw.Connection(str(engine.path))
    ((trigger,),) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'input_no_update'")
    connection.execute("DROP TRIGGER input_no_update")
    connection.execute(
        "UPDATE input SET payload = replace(payload, 'email.replied', 'email.opened') WHERE kind = 'event'"
    )
    connection.execute(trigger)
    connection.close()
    with pytest.raises(Divergence, match="does not come out as it was recorded"):
        asked(engine, plans=(beside(engine, "plan.toml", '"3d"', '"2d"'),))
