"""The bugs of tests/seeded_bugs: each fits the program as it is today, and a few are truly looked for.

All of them are looked for by `python -m bench.seeded_bugs`; what it says stands in docs/reliability.md.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bench.seeded_bugs import CAMPAIGNS, PATCHES, ROOT, Bug, bugs, copy_to, find, put_in

KEPT = bugs()
QUICKLY_FOUND = {
    "gate-skipped-on-retry": "gate",
    "zone-of-the-host": "determinism",
    "tip-not-synced": "simulator",
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program, for all patches in turn."""
    folder = tmp_path_factory.mktemp("program")
    copy_to(folder)
    return folder


def changed(bug: Bug) -> list[str]:
    return [line[6:] for line in bug.path.read_text(encoding="utf-8").splitlines() if line.startswith("+++ b/")]


def test_there_are_twenty_bugs_and_more_numbered_without_gaps() -> None:
    assert [bug.name.partition("-")[0] for bug in KEPT] == [f"{number:02}" for number in range(1, len(KEPT) + 1)]
    assert len(KEPT) >= 20
    assert sorted(PATCHES.iterdir()) == [bug.path for bug in KEPT]


@pytest.mark.parametrize("bug", KEPT, ids=[bug.name for bug in KEPT])
def test_a_bug_still_fits_changes_the_product_alone_and_leaves_it_a_program(bug: Bug, program: Path) -> None:
    assert bug.what.endswith(".")
    assert bug.campaigns
    assert set(bug.campaigns) <= set(CAMPAIGNS)
    files = changed(bug)
    before = {name: (ROOT / name).read_bytes() for name in files}
    put_in(bug, program)
    for name in files:
        assert name.startswith(("dee_appliance/", "sql/"))
        after = (program / name).read_bytes()
        (program / name).write_bytes(before[name])
        assert after != before[name]
        if name.endswith(".py"):
            assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(before[name]))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "campaign"), QUICKLY_FOUND.items())
def test_a_campaign_finds_a_bug_within_its_first_seeds(name: str, campaign: str) -> None:
    (bug,) = [bug for bug in KEPT if bug.name.partition("-")[2] == name]
    found = find(bug, 120, [campaign])
    assert found is not None
    assert found.seed <= 100
