"""Every mistake in a scenario file is refused at its line, before anything runs.

The cases stand in scenario_refused.txt: the lines that must be refused are marked, and nothing else may be found. A case that has
a mistake of syntax is cut off there, as TOML readers do.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from marked_cases import cases, marked, refused
from scenario_desk import case, desk, scenario

from dee_appliance import check_scenarios
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.errors import Refused, Usage
from dee_appliance.kernel.e1.civil_zone import ZoneTable
from dee_appliance.scenarios.reading import read_scenario
from dee_appliance.scenarios.testing import CaseReport, ScenariosRefused

CASES = cases(Path(__file__).parent / "scenario_refused.txt")
ZONES = ZoneTable(compile_zone_table())


@pytest.mark.parametrize(("name", "text"), CASES.items())
def test_a_mistake_in_a_scenario_is_refused_at_its_line(tmp_path: Path, name: str, text: str) -> None:
    path = scenario(desk(tmp_path), text, head="")
    found, findings = read_scenario(path, ZONES)
    assert refused(findings) == marked(text), name
    assert found is None


def test_every_mistake_says_what_is_wrong_and_where(tmp_path: Path) -> None:
    path = scenario(desk(tmp_path), case(expect=['visits = ["intro", "puase"]']))
    with pytest.raises(ScenariosRefused) as caught:
        check_scenarios([path])
    assert f'{path}:13: refused unknown_target: there is no step `puase` (did you mean "pause"?)' in caught.value.what
    assert caught.value.exit_code == 2


def test_a_mistake_in_one_file_keeps_the_others_from_running(tmp_path: Path) -> None:
    folder = desk(tmp_path)
    scenario(folder, case(), name="a.scenario.toml")
    scenario(folder, case(expect=['stat = "x"']), name="b.scenario.toml")
    done: list[CaseReport] = []
    with pytest.raises(ScenariosRefused):
        check_scenarios([folder], on_case=done.append)
    assert done == []


def test_an_own_event_that_no_condition_reads_is_warned_of(tmp_path: Path) -> None:
    path = scenario(desk(tmp_path), case("[[case.event]]", 'event = "dept.paid"', 'at = "+1h"'))
    (warned,) = check_scenarios([path]).findings
    assert (warned.severity, warned.line, warned.code) == ("warned", 13, "useless_field")


def test_rules_that_cannot_stand_together_are_refused_with_the_file(tmp_path: Path) -> None:
    folder = desk(tmp_path)
    text = 'policy = "x"\n[[rule]]\nid = "same/rule"\nkind = "suppression"\n'
    (folder / "policy.toml").write_text(text)
    pack = (
        'pack = "x"\nversion = "1"\ntitle = "X"\nas_of = 2026-01-01\n[[rule]]\nid = "same/rule"\nkind = "suppression"\n'
    )
    (folder / "pack.toml").write_text(pack + 'cite = "a"\nurl = "https://example.com"\n')
    path = scenario(folder, case(), head='policy = "policy.toml"\npacks = ["pack.toml"]\n' + (folder_head()))
    with pytest.raises(Refused) as caught:
        check_scenarios([path])
    assert str(path) in f"{caught.value.where}{caught.value.what}"
    assert caught.value.exit_code == 2


def folder_head() -> str:
    return 'plan = "plan.toml"\nstart = 2027-01-04T09:00:00\n[contact.jane]\nemail = "jane@example.com"\n'


def test_a_folder_is_searched_and_hidden_folders_are_not(tmp_path: Path) -> None:
    folder = desk(tmp_path)
    for name in ("scenarios", ".hidden"):
        (folder / name).mkdir()
    inside = scenario(folder / "scenarios", case(name="inside"), name="any.toml")
    inside.write_text(inside.read_text().replace('"plan.toml"', '"../plan.toml"'))
    scenario(folder, case(name="beside"))
    scenario(folder / ".hidden", case(name="hidden"))
    assert {one.name for one in check_scenarios([folder]).cases} == {"inside", "beside"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(Usage, match="no scenario file"):
        check_scenarios([tmp_path / "empty"])
