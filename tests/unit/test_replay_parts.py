"""The parts below verify and replay: differences, bounded heads, places of findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_files import rich_file

from dee_appliance.replay import heads as heads_module
from dee_appliance.replay.difference import ABSENT, Difference, first_difference
from dee_appliance.replay.entry_form import read_body, read_form
from dee_appliance.replay.finding import FINDINGS_KEPT, MEANING, Finding, Findings
from dee_appliance.replay.heads import Heads
from dee_appliance.replay.reading import queries
from dee_appliance.replay.verify import verify

SAME: dict[str, object] = {"a": 1, "b": [1, {"c": None}], "d": "x"}


def test_equal_objects_have_no_difference() -> None:
    assert first_difference(SAME, {**SAME}) is None
    assert first_difference({}, {}) is None


@pytest.mark.parametrize(
    ("expected", "actual", "found"),
    [
        ({"a": 1}, {"a": 2}, Difference("a", 1, 2)),
        ({"a": 1}, {"a": True}, Difference("a", 1, True)),
        ({"a": 0}, {"a": False}, Difference("a", 0, False)),
        ({"a": "1"}, {"a": 1}, Difference("a", "1", 1)),
        ({"a": None}, {}, Difference("a", None, ABSENT)),
        ({}, {"a": None}, Difference("a", ABSENT, None)),
        ({"core": {"detail": {"to": "x"}}}, {"core": {"detail": {"to": "y"}}}, Difference("core.detail.to", "x", "y")),
        ({"l": [1, 2]}, {"l": [1, 3]}, Difference("l[1]", 2, 3)),
        ({"l": [1]}, {"l": [1, 3]}, Difference("l[1]", ABSENT, 3)),
        ({"l": [1, 2]}, {"l": [1]}, Difference("l[1]", 2, ABSENT)),
        ({"l": [[1, {"k": 2}]]}, {"l": [[1, {"k": 3}]]}, Difference("l[0][1].k", 2, 3)),
        ({"b": 1, "a": {"z": 1}}, {"b": 2, "a": {"z": 2}}, Difference("a.z", 1, 2)),
        ({"a": []}, {"a": {}}, Difference("a", [], {})),
    ],
)
def test_the_first_difference_is_named_by_its_path(
    expected: dict[str, object], actual: dict[str, object], found: Difference
) -> None:
    assert first_difference(expected, actual) == found


def test_heads_that_do_not_fit_in_memory_lie_on_the_disk(tmp_path: Path) -> None:
    with Heads(queries(), folder=tmp_path, kept=10) as heads:
        for number in range(95):
            heads.put(f"run{number}", (number, f"{number:064x}"))
        heads.put("run3", (99, "later"))
        assert [heads.get(f"run{number}") for number in (0, 50, 94)] == [(n, f"{n:064x}") for n in (0, 50, 94)]
        assert heads.get("run3") == (99, "later")
        assert heads.get("nobody") is None
        assert list(tmp_path.iterdir())
        assert heads.pop("run3") == (99, "later")
        assert heads.pop("run3") is None
        for number in range(95):
            heads.pop(f"run{number}")
        assert heads.any() is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_more_chains_than_fit_in_memory_is_verified_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = verify(rich_file(tmp_path))
    monkeypatch.setattr(heads_module.Heads.__init__, "__kwdefaults__", {"folder": None, "kept": 3})
    monkeypatch.setattr(heads_module, "WRITES_TOGETHER", 5)
    assert verify(rich_file(tmp_path)) == whole


def test_findings_beyond_a_hundred_are_counted() -> None:
    findings = Findings()
    for seq in range(FINDINGS_KEPT + 50):
        findings.add("missing", seq=seq)
    findings.add("moved", seq=3)
    assert len(findings.kept) == FINDINGS_KEPT
    assert findings.counts == {"missing": FINDINGS_KEPT + 50, "moved": 1}


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (Finding(kind="missing", what="", seq=3, last=3), "entry 3"),
        (Finding(kind="missing", what="", seq=3, last=5), "entries 3 to 5"),
        (Finding(kind="input-changed", what="", seq=3, input=2), "entry 3, input 2"),
        (Finding(kind="incomplete-run", what="", seq=3, run="run_a"), "entry 3, run_a"),
        (Finding(kind="blob-missing", what="", document="b3:0"), "document b3:0"),
        (Finding(kind="file-corrupt", what=""), "the file"),
    ],
)
def test_a_finding_says_its_place_in_words(finding: Finding, words: str) -> None:
    assert finding.where == words


def test_every_kind_of_finding_has_a_meaning() -> None:
    assert all(len(meaning) > 10 for meaning in MEANING.values())


CORE = (
    '{"action":"a","detail":{},"outcome":"o","plan":null,"rp":null,"rs":null,"step":null,"tick":1,"v":1,"visit":null}'
)
BODY = f'{{"core":{CORE},"input":{{"digest":"00","seq":1}},"prev":"00","run":null,"seq":5}}'


def test_a_body_of_the_known_form_is_read() -> None:
    value, is_canonical = read_body(BODY.encode())
    assert is_canonical
    assert value is not None
    form = read_form(value)
    assert form is not None
    assert (form.cause, form.seq, form.run, form.cs) == (1, 5, None, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"v":1', '"v":2'),
        ('"v":1,', ""),
        ('"seq":5', '"seq":true'),
        ('"seq":5', '"seq":-5'),
        ('"prev":"00"', '"prev":0'),
        ('"run":null', '"run":"r"'),
        ('"rs":null', '"rs":0'),
        ('"seq":5', '"seq":5,"x":1'),
        ('"input":{"digest":"00","seq":1}', '"input":{"seq":1}'),
        ('"input":{"digest":"00","seq":1}', '"input":[]'),
        ('"core":', '"cs":1,"core":'),
        (CORE, "7"),
    ],
)
def test_a_body_of_another_form_is_not_taken_for_one(old: str, new: str) -> None:
    assert old in BODY
    value, _ = read_body(BODY.replace(old, new).encode())
    assert value is not None
    assert read_form(value) is None
