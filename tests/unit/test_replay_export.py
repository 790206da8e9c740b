"""The evidence of one run: complete, free of personal data, and checkable by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recorded_files import attacker, rich_file

from dee_appliance.errors import Refused
from dee_appliance.replay.export import Export, check_export, decode_export, export_run
from dee_appliance.replay.replay import replay


def a_run_that_was_sent_to(path: Path) -> str:
    """A run with sends, waits and a call, which is made in the hours of a zone."""
    with attacker(path) as connection:
        sql = 'SELECT body FROM audit WHERE body LIKE \'%"action":"call"%"outcome":"dispatched"%\' ORDER BY seq'
        return str(json.loads(str(next(connection.execute(sql))[0]))["run"])


def test_an_export_has_every_entry_of_the_run_and_its_head(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    heads = replay(path).heads
    for run, head in heads.items():
        export = export_run(path, run)
        assert (export.head.rs, export.head.rp) == head
        assert len(export.entries) == head[0]
        report = check_export(export)
        assert report.ok, report.findings
        assert report.entries == head[0]
        assert report.not_covered


def test_an_export_has_the_inputs_and_documents_that_its_entries_name(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    export = export_run(path, a_run_that_was_sent_to(path))
    bodies = [json.loads(entry.body) for entry in (*export.entries, *export.relied)]
    assert {body["input"]["seq"] for body in bodies} == {row.seq for row in export.inputs}
    kinds = sorted(document.kind for document in export.documents.values())
    assert kinds.count("plan") == 1
    assert {"policy", "template", "script"} <= set(kinds)
    assert any(json.loads(entry.body)["core"]["action"] == "consent" for entry in export.relied)
    assert any(json.loads(entry.body)["core"]["action"] == "policy" for entry in export.relied)
    assert export.named, "the zone table is named, not copied"


def test_an_export_survives_being_written_and_read(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    export = export_run(path, a_run_that_was_sent_to(path))
    assert decode_export(msgspec.json.encode(export)) == export


def test_an_export_holds_no_personal_data(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        values = [
            str(value) for (value,) in connection.execute("SELECT value FROM vault WHERE field = 'profile' ORDER BY 1")
        ]
    words = [word for value in values for word in json.loads(value).values()]
    assert words
    for run in replay(path).heads:
        text = msgspec.json.encode(export_run(path, run)).decode()
        assert [word for word in words if word in text] == []


def test_a_run_that_is_not_there_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no run"):
        export_run(rich_file(tmp_path), "run_nobody")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"version":1}', b"[" * 5_000])
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="not an export"):
        decode_export(data)


def entry_changed(export: Any) -> None:
    export["entries"][1]["body"] = export["entries"][1]["body"].replace('"outcome":"', '"outcome":"x')


def leaf_changed(export: Any) -> None:
    export["entries"][1]["leaf"] = "00" * 32


def entry_left_out(export: Any) -> None:
    del export["entries"][1]


def end_left_out(export: Any) -> None:
    del export["entries"][-1]


def start_left_out(export: Any) -> None:
    del export["entries"][0]


def entries_swapped(export: Any) -> None:
    export["entries"][0], export["entries"][1] = export["entries"][1], export["entries"][0]


def entry_renumbered(export: Any) -> None:
    export["entries"][1]["seq"] += 1


def input_changed(export: Any) -> None:
    export["inputs"][0]["tick"] += 1


def input_left_out(export: Any) -> None:
    del export["inputs"][0]


def document_changed(export: Any) -> None:
    digest = next(name for name, document in export["documents"].items() if document["kind"] == "plan")
    export["documents"][digest]["body"] += " "


def plan_left_out(export: Any) -> None:
    digest = next(name for name, document in export["documents"].items() if document["kind"] == "plan")
    del export["documents"][digest]


def head_changed(export: Any) -> None:
    export["head"]["rs"] += 1


def relied_changed(export: Any) -> None:
    export["relied"][0]["body"] = export["relied"][0]["body"].replace('"tick":', '"tick":1')


def other_version(export: Any) -> None:
    export["version"] = 2


def other_run(export: Any) -> None:
    export["run"] = "run_other"


CHANGES: list[tuple[Callable[[Any], None], str]] = [
    (entry_changed, "content-changed"), (leaf_changed, "content-changed"), (entry_left_out, "incomplete-run"),
    (end_left_out, "incomplete-run"), (start_left_out, "incomplete-run"), (entries_swapped, "incomplete-run"),
    (entry_renumbered, "moved"), (input_changed, "input-changed"), (input_left_out, "input-missing"),
    (document_changed, "blob-mismatch"), (plan_left_out, "blob-missing"), (head_changed, "incomplete-run"),
    (relied_changed, "content-changed"), (other_version, "unknown-version"), (other_run, "incomplete-run"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "kind"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_a_changed_export_is_found_out(change: Callable[[Any], None], kind: str, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    data: Any = json.loads(msgspec.json.encode(export_run(path, a_run_that_was_sent_to(path))))
    change(data)
    report = check_export(msgspec.convert(data, Export))
    assert not report.ok
    assert kind in [finding.kind for finding in report.findings], report.findings
