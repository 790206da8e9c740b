"""A what-if against what really happens: the same people in two files, one of which has the change from the start.

Simulated recipients do the same about the same send, whatever file it is in. So where history has an answer, the twin must
come to the same end; where it has none, the twin shows how little could have been guessed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dee_appliance import Engine
from dee_appliance.replay.what_if import BEYOND, WhatIf, WhatIfOptions, standing
from dee_appliance.runtime.changed_documents import ChangedFiles
from dee_appliance.runtime.importing import ConsentGrant

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "examples" / "sales-outreach"
START = 1_795_424_400
"""2026-11-23T09:00:00Z, a Monday."""
PEOPLE = 40
ASSUMED = "replied=20%,opened=40%,bounced=5%,unsubscribed=5%"
Sources = dict[str, str]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the contacts of the example, and nothing that happened yet."""
    folder = tmp_path_factory.mktemp("people")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    rows = (folder / "contacts.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "contacts.csv").write_text("".join(rows[: PEOPLE + 1]), "utf-8")
    path, policy = folder / "twin.db", folder / "policy.toml"
    engine = Engine.create(path, simulated=True, start=START, assume=ASSUMED, policy=policy)
    grants = (ConsentGrant(channel="email"), ConsentGrant(channel="voice"))
    engine.import_contacts(folder / "contacts.csv", consents=grants, allow_rejects=True)
    return folder


def lived(people: Path, folder: Path, sources: Sources) -> Engine:
    """Let the people live through the plan and the policy of the example, with what is changed in them."""
    shutil.copytree(people, folder, dirs_exist_ok=True)
    for name, text in sources.items():
        (folder / name).write_text(text, "utf-8")
    engine = Engine(folder / "twin.db")
    if "policy.toml" in sources:
        engine.set_policy(folder / "policy.toml")
    engine.publish_plan(folder / "plan.toml")
    engine.enroll("sales-outreach")
    engine.serve(until_idle=True)
    return engine


def ends_of(engine: Engine) -> dict[str, str]:
    with engine.view() as view:
        runs = [view.state.run_by_id(row.run) for row in engine.runs()]
    return {run.run: standing(run) for run in runs if run is not None}


def changed(name: str, old: str, new: str) -> Sources:
    text = (EXAMPLE / name).read_text("utf-8")
    assert old in text
    return {name: text.replace(old, new)}


CHANGES: dict[str, tuple[Sources, Callable[[Path], ChangedFiles]]] = {
    "another wait": (
        changed("plan.toml", 'for   = "3d"', 'for   = "2d"'),
        lambda folder: ChangedFiles(plans=(folder / "plan.toml",)),
    ),
    "fewer calls": (
        changed("plan.toml", 'in ["team", "business", "enterprise"]', 'in ["enterprise"]'),
        lambda folder: ChangedFiles(plans=(folder / "plan.toml",)),
    ),
    "other hours": (
        changed("policy.toml", "08:00:00, to = 21:00:00", "12:00:00, to = 15:00:00"),
        lambda folder: ChangedFiles(policy=folder / "policy.toml"),
    ),
    "a price that the budget cannot pay": (
        changed("policy.toml", 'price   = "0.0004"', 'price   = "20.00"'),
        lambda folder: ChangedFiles(rates=folder / "policy.toml"),
    ),
    "another end": (
        changed("plan.toml", 'outcome = "no_reply"', 'outcome = "silence"'),
        lambda folder: ChangedFiles(plans=(folder / "plan.toml",)),
    ),
}


@pytest.fixture(scope="module")
def past(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The history that is asked about."""
    return lived(people, tmp_path_factory.mktemp("past"), {})


@pytest.mark.parametrize("name", CHANGES)
def test_who_is_not_beyond_history_ends_as_in_the_twin(name: str, people: Path, past: Engine, tmp_path: Path) -> None:
    sources, files = CHANGES[name]
    twin = ends_of(lived(people, tmp_path, sources))
    found = asked(past, files(tmp_path))
    told = {run: end for run, end in found.items() if end != BEYOND}
    assert set(found) == set(twin)
    assert told == {run: twin[run] for run in told}
    assert {run: end for run, end in told.items() if end != ends_of(past)[run]} or len(told) < len(found)


def asked(past: Engine, files: ChangedFiles) -> dict[str, str]:
    """How every run stands at the end of the record with the change."""
    ends = ends_of(past)
    options = WhatIfOptions(on_run=lambda one: ends.update({one.run: one.after}))
    found: WhatIf = past.what_if(past.changed_history(files), options=options)
    assert found.counts.runs == len(ends)
    return ends


def test_the_same_in_other_words_takes_everybody_the_same_way(past: Engine) -> None:
    plan = past.path.parent / "plan.toml"
    plan.write_text(plan.read_text("utf-8").replace('title   = "', 'title   = "In other words: '), "utf-8")
    found = past.what_if(past.changed_history(ChangedFiles(plans=(plan,))))
    assert (len(found.swaps), found.counts.same) == (1, found.counts.runs)
    assert (found.dropped, found.added, found.refused, found.unmade) == ({}, {}, {}, 0)
