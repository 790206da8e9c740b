"""The sends log outside the file: what a rolled-back file has forgotten."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from dee_appliance.store.durable import StorageFailed
from dee_appliance.store.sends_log import LINE_BYTES, MAX_BYTES, ForgottenSend, SendsLog, forgotten_sends

if TYPE_CHECKING:
    from pathlib import Path


def test_sends_after_a_size_are_listed_in_the_order_in_which_they_left(tmp_path: Path) -> None:
    log = SendsLog(tmp_path / "sends")
    log.append(10, [("a" * 40, 1)])
    log.append(12, [("b" * 40, 1), ("c" * 40, 2)])
    log.close()
    assert forgotten_sends(tmp_path / "sends", 10) == [
        ForgottenSend(size=12, send_key="b" * 40, attempt=1),
        ForgottenSend(size=12, send_key="c" * 40, attempt=2),
    ]


def test_a_line_cut_short_by_a_crash_is_no_send(tmp_path: Path) -> None:
    log = SendsLog(tmp_path / "sends")
    log.append(10, [("a" * 40, 1)])
    log.close()
    with (tmp_path / "sends").open("ab") as file:
        file.write(b"12 bbbb")
    assert [one.send_key for one in forgotten_sends(tmp_path / "sends", 0)] == ["a" * 40]
    log = SendsLog(tmp_path / "sends")
    log.append(13, [("c" * 40, 1)])
    log.close()
    assert [one.send_key for one in forgotten_sends(tmp_path / "sends", 0)] == ["a" * 40, "c" * 40]


def test_a_line_that_did_not_fit_on_the_disk_is_a_failure_and_no_send(tmp_path: Path) -> None:
    """The disk takes a part of the line first, without an error: nothing may leave on the strength of that."""
    log = SendsLog(tmp_path / "sends")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LINE_BYTES + LINE_BYTES // 2, hard))
    try:
        log.append(10, [("a" * 40, 1)])
        with pytest.raises(StorageFailed):
            log.append(11, [("b" * 40, 1)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        log.close()
    assert [one.send_key for one in forgotten_sends(tmp_path / "sends", 0)] == ["a" * 40]


def test_a_log_that_was_never_written_has_forgotten_nothing(tmp_path: Path) -> None:
    assert forgotten_sends(tmp_path / "sends", 0) == []


def test_the_log_stays_bounded_and_keeps_the_newest_sends(tmp_path: Path) -> None:
    log = SendsLog(tmp_path / "sends")
    many = 5_000
    for start in range(0, MAX_BYTES // LINE_BYTES + many, many):
        log.append(start, [(f"{start + number:040d}", 1) for number in range(many)])
    log.close()
    assert (tmp_path / "sends").stat().st_size <= MAX_BYTES
    kept = forgotten_sends(tmp_path / "sends", -1)
    assert len(kept) >= MAX_BYTES // LINE_BYTES
    assert kept[-1].send_key == f"{start + many - 1:040d}"
