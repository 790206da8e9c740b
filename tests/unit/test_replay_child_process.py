"""Work in child processes: results in order, errors in words, limits that hold, and no network where none is allowed."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from recorded_files import rich_file

from dee_appliance.cli.main import main
from dee_appliance.errors import DeeError, EvidenceError, HostError, Newer, Refused
from dee_appliance.replay import compare_state, verify
from dee_appliance.replay.child_process import Done, Limits, Told, in_children
from dee_appliance.replay.many import MEMORY_BYTES, TIME_LIMIT_S, guarded
from dee_appliance.replay.replay import Options


def saying(value: object) -> Callable[[Told], msgspec.Raw]:
    return lambda _: msgspec.Raw(msgspec.json.encode(value))


def raising(error: BaseException) -> Callable[[Told], msgspec.Raw]:
    def work(_: Told) -> msgspec.Raw:
        raise error

    return work


def one(work: Callable[[Told], msgspec.Raw], limits: Limits | None = None) -> Done:
    (done,) = in_children([("the place", work)], jobs=1, limits=limits or Limits())
    return done


@pytest.mark.parametrize("jobs", [1, 3, 20])
def test_results_come_in_the_order_of_the_works(jobs: int) -> None:
    works = [(str(number), saying([number] * number * 1000)) for number in range(8)]
    told = [msgspec.json.decode(done.result) for done in in_children(works, jobs=jobs)]
    assert told == [[number] * number * 1000 for number in range(8)]


def test_progress_is_the_sum_over_all_works() -> None:
    seen: list[tuple[int, int]] = []

    def work(told: Told) -> msgspec.Raw:
        told(1, 10)
        told(10, 10)
        return msgspec.Raw(b"1")

    in_children([("a", work), ("b", work)], jobs=2, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)


def test_one_failure_does_not_stop_the_others() -> None:
    works = [("a", saying(1)), ("b", raising(EvidenceError("torn", hint="look"))), ("c", saying(3))]
    first, second, third = in_children(works, jobs=2)
    assert (bytes(first.result), bytes(third.result)) == (b"1", b"3")
    assert second.failure is not None
    assert (second.failure.what, second.failure.where, second.failure.exit_code) == ("torn", "b", 4)


@pytest.mark.parametrize("error", [Refused("no"), EvidenceError("torn"), HostError("full"), Newer("later")])
def test_an_error_arrives_as_the_kind_that_it_is(error: DeeError) -> None:
    failure = one(raising(error)).failure
    assert failure is not None
    assert type(failure.error()) is type(error)
    assert failure.error().what == error.what


def test_an_unexpected_error_is_told_and_ends_nothing_else() -> None:
    failure = one(raising(ValueError("odd"))).failure
    assert failure is not None
    assert "unexpected ValueError: odd" in failure.what


def test_a_process_that_is_killed_is_told() -> None:
    def work(_: Told) -> msgspec.Raw:
        os.kill(os.getpid(), signal.SIGKILL)
        return msgspec.Raw(b"1")

    failure = one(work).failure
    assert failure is not None
    assert "ended by signal 9" in failure.what


def test_a_process_that_takes_too_long_is_ended() -> None:
    def work(_: Told) -> msgspec.Raw:
        while True:
            pass

    failure = one(work, Limits(cpu_s=1)).failure
    assert failure is not None
    assert "more than 1 seconds of processor time" in failure.what
    assert failure.exit_code == 4


def test_a_process_that_wants_too_much_memory_is_told_so() -> None:
    failure = one(lambda _: msgspec.Raw(bytes(3 << 30)), Limits(memory_bytes=2 << 30)).failure
    assert failure is not None
    assert "more than 2048 MB of memory" in failure.what


def test_a_process_without_a_network_makes_no_socket() -> None:
    def work(_: Told) -> msgspec.Raw:
        with socket.socket() as made:
            return msgspec.Raw(msgspec.json.encode(made.getsockname()))

    assert one(work).failure is None
    failure = one(work, Limits(network=False)).failure
    assert failure is not None
    assert "no network" in failure.what


def test_somebody_elses_file_is_looked_into_within_limits_and_without_a_network(tmp_path: Path) -> None:
    def look(options: Options, told: Told) -> dict[str, object]:
        told(1, 1)
        assert options.scratch is not None
        (options.scratch / "left").touch()
        with pytest.raises(PermissionError, match="no network"):
            socket.socket()
        limits = [resource.getrlimit(one)[0] for one in (resource.RLIMIT_AS, resource.RLIMIT_CPU)]
        return {
            "limits": limits,
            "scratch": str(options.scratch),
            "untrusted": options.untrusted,
            "process": os.getpid(),
        }

    seen = msgspec.json.decode(guarded(tmp_path, look))
    assert (seen["limits"], seen["untrusted"]) == ([MEMORY_BYTES, TIME_LIMIT_S], True)
    assert seen["process"] != os.getpid()
    assert not Path(seen["scratch"]).exists()


@pytest.mark.parametrize("words", [(), ("--state",)])
def test_verify_judges_somebody_elses_file_in_a_process_of_its_own(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise Refused(f"judged by {os.getpid()}")

    path = rich_file(tmp_path)
    monkeypatch.setattr(compare_state if words else verify, "replayed" if words else "check_database", refuse)
    with pytest.raises(SystemExit):
        main(["verify", "--untrusted", *words, "--db", str(path)])
    said = capfd.readouterr().err
    assert "judged by" in said
    assert f"judged by {os.getpid()}" not in said


def test_limits_end_with_the_child() -> None:
    assert one(saying(1), Limits(cpu_s=1, memory_bytes=2 << 30, network=False)).failure is None
    socket.socket().close()
    assert len(bytes(3 << 28)) == 3 << 28
