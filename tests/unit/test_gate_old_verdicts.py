"""An old verdict is explained by the rules of its time: the policy, the packs and the zones that its entry names."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_files import DAY_S, HOUR_S, PACK, make_gate_file
from report_files import START, serve_until

from dee_appliance import Engine
from dee_appliance.runtime.reports import Moment, RunFilter, Rung, select_runs

FLORIDA = "Mon-Sun 08:00-20:00 in America/New_York (Wed 06:06:40)"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A file in which a letter to Florida is held until the morning, by a pack."""
    engine = make_gate_file(tmp_path)
    engine.use_pack(str(tmp_path / "house.toml"))
    engine.enroll("letter", ["K-1"])
    serve_until(engine, START)
    return engine


def timeline(engine: Engine, contact: str = "K-1") -> list[Moment]:
    with engine.view() as view:
        run = list(select_runs(view, RunFilter(contact=view.resolve_contact(contact))))[-1].run
    return list(engine.run(run).timeline)


def florida(moment: Moment) -> Rung:
    (found,) = [rung for rung in moment.gate if rung.rule == "house/florida-hours"]
    return found


def test_a_verdict_names_the_pack_and_its_source(engine: Engine) -> None:
    held = timeline(engine)[-1]
    rung = florida(held)
    assert (held.outcome, rung.verdict, rung.kind, rung.values) == ("held", "hold", "window", FLORIDA)
    assert (rung.source, rung.cite, rung.confidence) == ("house", "Fla. Stat. 501.616(6)(a)", "primary")


def test_a_pack_that_was_replaced_or_retired_still_explains_its_verdicts(engine: Engine, tmp_path: Path) -> None:
    newer = PACK.replace('version = "1"', 'version = "2"').replace(
        "from = 08:00:00, to = 20:00:00", "from = 10:00:00, to = 11:00:00"
    )
    (tmp_path / "newer.toml").write_text(newer.replace("Fla. Stat.", "New Fla. Stat."), "utf-8")
    engine.use_pack(str(tmp_path / "newer.toml"))
    assert florida(timeline(engine)[-1]).values == FLORIDA
    assert florida(timeline(engine)[-1]).cite == "Fla. Stat. 501.616(6)(a)"
    serve_until(engine, START + 2 * HOUR_S)
    engine.retire_pack("house")
    held = [florida(one) for one in timeline(engine) if one.outcome == "held"]
    assert [(rung.values, rung.cite) for rung in held] == [
        (FLORIDA, "Fla. Stat. 501.616(6)(a)"),
        ("Mon-Sun 10:00-11:00 in America/New_York (Wed 08:00)", "New Fla. Stat. 501.616(6)(a)"),
    ]


def test_a_policy_that_was_replaced_still_explains_its_verdicts(engine: Engine, tmp_path: Path) -> None:
    ladder = timeline(engine)[-1].gate
    (tmp_path / "bare.toml").write_text('policy = "bare"\n[[rule]]\nid = "stop"\nkind = "suppression"\n', "utf-8")
    engine.set_policy(tmp_path / "bare.toml")
    assert timeline(engine)[-1].gate == ladder


def test_a_place_that_was_not_known_then_is_told_so_when_it_is_known(engine: Engine, tmp_path: Path) -> None:
    engine.enroll("letter", ["K-3"])
    serve_until(engine, START)
    refused = timeline(engine, "K-3")[-1]
    where = "nobody knows where the contact is, and the rule is for US-FL"
    assert (refused.outcome, florida(refused).values) == ("denied", where)
    (tmp_path / "later.csv").write_text(
        "customer_id,email,timezone,region\nK-3,cleo@example.com,America/Chicago,US-TX\n"
    )
    engine.import_contacts(tmp_path / "later.csv", update=True)
    assert florida(timeline(engine, "K-3")[-1]).values == where


def test_a_cap_of_the_past_says_what_counted_then_and_not_what_counts_now(engine: Engine) -> None:
    for _ in range(3):
        engine.enroll("letter", ["K-4"])
    serve_until(engine, START + 2 * DAY_S)
    told = []
    with engine.view() as view:
        for row in select_runs(view, RunFilter(contact=view.resolve_contact("K-4"))):
            asked = [one for one in engine.run(row.run).timeline if one.gate]
            told.append([next(rung for rung in one.gate if rung.rule == "twice") for one in asked])
    assert [[rung.verdict for rung in rungs] for rungs in told] == [["pass"], ["pass"], ["hold", "pass"]]
    first, second, third = (rungs[0].values for rungs in told)
    assert first == "0 of 2 e-mails within 1d"
    assert second.startswith("1 of 2 e-mails within 1d (entry ")
    assert third.startswith("2 of 2 e-mails within 1d (entries ")
    assert third.endswith("; the next one leaves 2026-11-19 11:06:41Z")
    assert told[2][1].values == "0 of 2 e-mails within 1d"


def test_a_queue_that_a_ratio_stopped_says_how_bad_it_was(engine: Engine) -> None:
    engine.enroll("letter", ["K-4", "K-2"])
    serve_until(engine, START)
    for contact in ("K-4", "K-2"):
        (send,) = engine.why(contact).runs[0].sends
        engine.add_event("email.delivered", send_key=send.send)
        engine.add_event("email.complained", send_key=send.send)
    engine.set_consent("K-3", "email", granted=True)
    engine.retire_pack("house")
    engine.enroll("letter", ["K-3"])
    serve_until(engine, START + 1)
    assert "behind complaints" in timeline_next(engine, "K-3")
    assert ": 2 of 2, 100.00 % (entry " in timeline_next(engine, "K-3")


def timeline_next(engine: Engine, contact: str) -> str:
    with engine.view() as view:
        run = list(select_runs(view, RunFilter(contact=view.resolve_contact(contact))))[-1].run
    return engine.run(run).next.why
