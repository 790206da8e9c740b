"""Files that are damaged in any way: a clear error or a report, never a crash, and never a byte of the original changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_files import attacker, rich_file

from dee_appliance.errors import DeeError
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.export import check_export, export_run
from dee_appliance.replay.replay import Options, replay
from dee_appliance.replay.verify import verify

PAGE = 4096
UNTRUSTED = Options(untrusted=True)


def read_every_way(path: Path) -> list[str]:
    """Ask everything of a file; what it answers in words. Any error that is not ours passes through and fails the test."""
    ways: list[Callable[[], object]] = [
        lambda: verify(path).ok,
        lambda: verify(path, untrusted=True).ok,
        lambda: replay(path).same,
        lambda: replay(path, options=UNTRUSTED).same,
        lambda: verify_state(path).ok,
        lambda: check_export(export_run(path, "run_any")).ok,
    ]
    answers = []
    for way in ways:
        try:
            answers.append(str(way()))
        except DeeError as error:
            answers.append(str(error))
    return answers


def damaged(folder: Path, change: Callable[[bytes], bytes]) -> tuple[Path, bytes]:
    path = rich_file(folder)
    data = change(path.read_bytes())
    path.write_bytes(data)
    return path, data


@settings(max_examples=25)
@given(data=st.data())
def test_a_page_of_garbage_is_damage(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    garbage = data.draw(st.binary(min_size=64, max_size=PAGE))

    def change(whole: bytes) -> bytes:
        at = data.draw(st.integers(1, len(whole) // PAGE - 1)) * PAGE + data.draw(st.integers(0, PAGE - len(garbage)))
        return whole[:at] + garbage + whole[at + len(garbage) :]

    path, before = damaged(tmp_path_factory.mktemp("page"), change)
    assert len(read_every_way(path)) == 6
    assert path.read_bytes() == before


@settings(max_examples=25)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_no_crash(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    def change(whole: bytes) -> bytes:
        changed = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 5))):
            changed[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        return bytes(changed)

    path, before = damaged(tmp_path_factory.mktemp("bit"), change)
    assert len(read_every_way(path)) == 6
    assert path.read_bytes() == before


@settings(max_examples=15)
@given(share=st.integers(0, 999))
def test_a_file_that_was_cut_short_is_an_error(share: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path, before = damaged(tmp_path_factory.mktemp("cut"), lambda whole: whole[: len(whole) * share // 1000])
    for answer in read_every_way(path):
        assert answer not in ("True", "False")
    assert path.read_bytes() == before


@settings(max_examples=10)
@given(garbage=st.binary(max_size=3 * PAGE))
def test_garbage_is_refused(garbage: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("garbage") / "garbage.db"
    path.write_bytes(garbage)
    for answer in read_every_way(path):
        assert "DEE file" in answer


def test_a_damaged_page_of_the_log_hides_only_its_own_entries(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        sql = "SELECT body FROM audit WHERE seq = 200"
        body = str(next(connection.execute(sql))[0]).encode()
    data = path.read_bytes()
    page = data.index(body) // PAGE * PAGE
    path.write_bytes(data[:page] + bytes(PAGE) + data[page + PAGE :])
    report = verify(path)
    assert not report.ok
    assert report.counts["file-corrupt"] >= 1
    hidden = [one for one in report.findings if one.kind == "missing"]
    assert len(hidden) == 1
    assert hidden[0].seq is not None
    assert hidden[0].last is not None
    assert hidden[0].seq <= 200 <= hidden[0].last
    assert report.entries > 200


HOSTILE = {
    "a payload of another shape": "UPDATE input SET payload = '{\"contact\":[]}'",
    "a payload nested too deep": f"UPDATE input SET payload = '{'[' * 5000}'",
    "a plan without steps": "UPDATE document SET body = replace(body, '\"steps\":[', '\"steps\":[],\"x\":[') WHERE kind = 'plan'",
    "a policy of numbers": "UPDATE document SET body = '7' WHERE kind = 'policy'",
    "renderings of lists": "UPDATE given SET body = '[[]]'",
    "ticks out of any range": "UPDATE input SET tick = 9223372036854775807 WHERE seq > 40",
    "ticks before any time": "UPDATE input SET tick = -9223372036854775807",
    "numbers of inputs out of any range": "UPDATE input SET seq = 9223372036854775807 WHERE seq = (SELECT max(seq) FROM input)",
    "bodies of numbers": "UPDATE audit SET body = '12345678901234567890123456789'",
    "bodies nested too deep": f"UPDATE audit SET body = '{'[' * 5000}' WHERE seq = 9",
    "a document that is not text": "UPDATE document SET body = CAST(x'ff00' AS TEXT)",
    "a source that is not text": "UPDATE input SET source = CAST(x'ff' AS TEXT)",
    "a run that is not text": "UPDATE run SET run = CAST(x'ff' || run_no AS TEXT)",
    "an endless cycle": 'UPDATE document SET body = replace(body, \'"next":"wait"\', \'"next":"intro"\') WHERE kind = \'plan\'',
    "a lone surrogate": "UPDATE input SET payload = '{\"contact\":\"\\ud800\"}' WHERE kind = 'contact.put'",
    "no first row": "DELETE FROM genesis",
    "no log at all": "DELETE FROM audit",
    "no inputs at all": "DELETE FROM input",
    "no documents at all": "DELETE FROM document",
}


@pytest.mark.parametrize("statement", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_row_is_a_finding_or_an_error(statement: str, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute(statement)
    before = path.read_bytes()
    answers = read_every_way(path)
    assert "True" not in answers[2:5] or "run" in statement, answers
    assert path.read_bytes() == before
