"""The one command that runs every campaign: it knows them all, and a failure in one of them is not lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.proof import CAMPAIGNS, Campaign, Outcome, run, table

ROOT = Path(__file__).parents[2]


def test_every_campaign_is_in_the_table() -> None:
    there = {path.stem for path in (ROOT / "bench").glob("*_campaign.py")} | {"simulator"}
    assert {one.module for one in CAMPAIGNS} == there


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda one: one.name)
def test_a_campaign_knows_what_it_is_told(campaign: Campaign) -> None:
    source = (ROOT / "bench" / f"{campaign.module}.py").read_text("utf-8")
    told = [word for word in campaign.command(0.5) if word.startswith("--")]
    known = re.findall(r'"(--[a-z-]+)"', source)
    kinds = re.findall(r'"(\w+)": [\d_]+', source) if 'f"--{kind}"' in source else []
    assert [word for word in told if word not in [*known, *(f"--{kind}" for kind in kinds)]] == []


def test_a_share_of_it_asks_for_at_least_one_of_everything() -> None:
    campaign = Campaign("deaths", "death_campaign", (("--power", 27_000), ("--signal", 10)), ("--seed", "1"))
    assert campaign.command(1) == ["-m", "bench.death_campaign", "--power", "27000", "--signal", "10", "--seed", "1"]
    assert campaign.command(0.001)[2:6] == ["--power", "27", "--signal", "1"]


def test_a_campaign_that_fails_is_shown_with_its_command_and_its_exit_code() -> None:
    failing = run(Campaign("wrong", "mutation_campaign", (), ("--no-such-option",)), 1)
    sound = Outcome(Campaign("right", "gate_campaign", (("--operations", 200),)), 0, 61.5)
    head, wrong, right = table([failing, sound], 0.5).splitlines()
    assert head.split() == ["campaign", "result", "time", "command"]
    assert wrong.split()[:3] == ["wrong", "exit", "2"]
    assert wrong.endswith("python -m bench.mutation_campaign --no-such-option")
    assert right.split()[:3] == ["right", "sound", "1:01"]
    assert right.endswith("--operations 100")


def test_the_list_can_be_had_without_running_anything() -> None:
    command = [sys.executable, "-m", "bench.proof", "--list", "--scale", "0.01", "--only", "edits"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "python -m bench.file_edit_campaign --edits 1000 --seed 1000000 --jobs 2\n"
