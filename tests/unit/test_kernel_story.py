"""A story told again gives the same cores, byte for byte, and each run's own chain holds together."""

from __future__ import annotations

from collections.abc import Iterator

import kernel_story
import msgspec
import pytest
from kernel_builder import Story

from dee_appliance.kernel.e1.encoding import core_hash, decode_canonical


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with kernel_story.tell() as told:
        yield told


def test_the_story_leaves_the_same_cores_as_ever(story: Story) -> None:
    assert kernel_story.cores(story) == kernel_story.GOLDEN.read_text(encoding="utf-8")


def test_every_core_of_a_run_names_its_place_and_the_hash_of_the_one_before(story: Story) -> None:
    heads: dict[str, tuple[int, str]] = {}
    for line, body in zip(kernel_story.cores(story).splitlines(), story.bodies(), strict=True):
        core = decode_canonical(line)
        assert core == body["core"]
        place = (body["core"]["rs"], body["core"]["rp"])
        assert place == ((None, None) if body["run"] is None else heads.get(body["run"], (0, "")))
        if body["run"] is not None:
            assert place[0] is not None
            heads[body["run"]] = (place[0] + 1, core_hash(line.encode()))
    assert sorted(heads.values()) == sorted((run.rs, run.rp) for run in (story.run(1), story.run(2)))


def test_the_story_has_something_of_everything(story: Story) -> None:
    told = {body["core"]["action"] for body in story.bodies()}
    assert told >= {
        "branch", "call", "consent", "contact", "enroll", "erase", "event", "exit", "halt", "pause", "release",
        "resolve", "resume", "retry", "send_email", "send_sms", "split", "start", "suppress", "task", "wait",
    }  # fmt: skip


def test_no_core_holds_anything_of_this_file_only(story: Story) -> None:
    lineage = story.journal.genesis.lineage.hex()
    rows = story.journal.database.execute("SELECT send_key FROM attempt ORDER BY attempt_no")
    private = [lineage, *(row[0] for row in rows), *(f"token-{kind}" for kind in ("email", "phone"))]
    text = "\n".join(kernel_story.cores(story).splitlines()[1:])  # the first entry is the file's own
    assert [one for one in private if one in text] == []
    saw = [body["saw"] for body in story.bodies() if "saw" in body]
    assert msgspec.json.encode(saw) != b"[]"
