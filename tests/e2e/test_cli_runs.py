"""What a person does to runs: verbs for one and for many, tasks, unknown outcomes."""

from __future__ import annotations

import pytest
from terminal import Terminal, serve_all


@pytest.fixture
def busy(desk: Terminal) -> Terminal:
    """A desk where two runs wait for a person, one does not know whether its letter went out, and one was rejected."""
    serve_all(desk)
    return desk


def status(desk: Terminal, contact: str) -> tuple[str, str, str]:
    """Status, reason and step of a contact's only run."""
    (row,) = desk.runs("--contact", contact)
    return row["status"], row["reason"], row["step"]


# -- one run -----------------------------------------------------------------------------------------------------------


def test_a_run_is_paused_and_resumed(busy: Terminal) -> None:
    run = busy.run_of("K-1")
    told = busy.ok("run", "pause", run, "--json").record()
    assert told == {"verb": "pause", "runs": 1, "done": 1, "refused": {}, "queued": 0}
    assert status(busy, "K-1")[0] == "PAUSED"
    assert "resume: 1 runs" in busy.ok("run", "resume", run).out
    assert status(busy, "K-1") == ("WAITING", "", "ring")


def test_a_step_is_skipped_where_the_plan_allows_it(busy: Terminal) -> None:
    busy.ok("run", "skip", busy.run_of("K-1"))
    assert status(busy, "K-1")[:2] == ("COMPLETED", "sad")
    said = busy.dee("run", "skip", busy.run_of("K-4"))
    assert said.code == 1
    assert "the plan does not allow to skip this step (not_skippable)" in said.err


def test_a_run_is_cancelled_for_good(busy: Terminal) -> None:
    run = busy.run_of("K-1")
    busy.ok("run", "cancel", run)
    assert status(busy, "K-1")[0] == "CANCELLED"
    said = busy.dee("run", "resume", run)
    assert said.code == 1
    assert "(illegal_status)" in said.err


def test_several_runs_may_be_named_and_refusals_are_counted(busy: Terminal) -> None:
    runs = [busy.run_of(contact) for contact in ("K-1", "K-2", "K-3")]
    told = busy.ok("run", "pause", *runs, "--json").record()
    assert (told["done"], told["refused"]) == (2, {"illegal_status": 1})
    again = busy.dee("run", "pause", *runs)
    assert again.code == 1
    assert "3  the run's status does not allow it" in again.out


def test_what_a_person_mistypes_does_not_get_into_the_log(busy: Terminal) -> None:
    before = busy.ok("status", "--json").record()["entries"]
    for words in (("run", "pause", "ada@good.example.com"), ("task", "done", "ada@good.example.com", "well")):
        said = busy.dee(*words)
        assert said.code == 1
        assert "there is no such run" in said.err
    assert busy.dee("run", "pause", busy.run_of("K-1"), "ada@good.example.com").code == 1
    assert status(busy, "K-1")[0] == "WAITING"
    assert busy.ok("status", "--json").record()["entries"] == before


# -- many runs ---------------------------------------------------------------------------------------------------------


def test_a_filter_shows_first_and_does_it_with_yes(busy: Terminal) -> None:
    preview = busy.ok("run", "pause", "--plan", "welcome", "--json").record()
    assert (preview["preview"], preview["runs"], preview["by"]) == (True, 2, {"welcome@1 WAITING": 2})
    assert len(preview["sample"]) == 2
    said = busy.ok("run", "pause", "--plan", "welcome")
    assert "pause would change 2 runs:" in said.out
    assert "nothing was changed; add --yes to do it" in said.out
    assert status(busy, "K-1")[0] == "WAITING"
    assert busy.ok("run", "pause", "--plan", "welcome", "--yes", "--json").record()["done"] == 2
    assert busy.ok("run", "resume", "--all", "--yes", "--json").record()["done"] == 2


def test_bulk_inputs_are_tied_together_by_a_job(busy: Terminal) -> None:
    busy.ok("run", "pause", "--all", "--yes")
    jobs = {line["detail"]["job"] for line in busy.ok("log", "--action", "pause", "--json").records()}
    assert len(jobs) == 1


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--status", "FAILED"), 2),
        (("--reason", "rejected_permanent"), 1),
        (("--contact", "dov@reject.example.com"), 1),
        (("--all",), 2),
        (("--limit", "1"), 1),
        (("--from", "2000-01-01"), 2),
        (("--before", "2126-01-01"), 2),
    ],
)
def test_a_filter_takes_the_runs_that_the_verb_fits(busy: Terminal, words: tuple[str, ...], count: int) -> None:
    assert busy.ok("run", "retry", *words, "--json").record()["runs"] == count


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "name runs, or choose them with a filter"),
        (("--yes",), 2, "name runs, or choose them with a filter"),
        (("RUN", "--all"), 2, "name runs, or choose them with a filter"),
        (("--plan", "nope"), 1, "there is no plan"),
        (("--contact", "nobody@example.com"), 1, "there is no contact"),
        (("--status", "LOST"), 2, "there is no status"),
        (("--before", "soon"), 2, "no date and time"),
        (("--before", "2000-01-01"), 1, "no run matches"),
        (("--limit", "0"), 2, "0"),
    ],
)
def test_a_choice_that_makes_no_sense_changes_nothing(
    busy: Terminal, words: tuple[str, ...], code: int, told: str
) -> None:
    before = busy.ok("status", "--json").record()["entries"]
    said = busy.dee("run", "cancel", *words)
    assert said.code == code
    assert told in said.err
    assert busy.ok("status", "--json").record()["entries"] == before


# -- unknown outcomes --------------------------------------------------------------------------------------------------


def test_an_unknown_outcome_is_explained_and_asks_for_a_choice(busy: Terminal) -> None:
    run = busy.run_of("K-3")
    said = busy.dee("run", "resolve", run)
    assert said.code == 2
    for choice in ("delivered", "not-delivered", "resend"):
        assert f"dee run resolve {run} --as {choice}" in said.out
    told = busy.dee("run", "resolve", run, "--json")
    assert {choice["verb"] for choice in told.record()["choices"]} >= {"resolve"}


def test_an_unknown_outcome_is_never_retried(busy: Terminal) -> None:
    said = busy.dee("run", "retry", busy.run_of("K-3"))
    assert said.code == 1
    assert "(outcome_unknown)" in said.err


def test_a_resend_needs_the_risk_to_be_accepted(busy: Terminal) -> None:
    run = busy.run_of("K-3")
    assert busy.dee("run", "resolve", run, "--as", "resend").code == 2
    assert busy.dee("run", "resolve", run, "--as", "delivered", "--accept-duplicate-risk").code == 2
    busy.ok("run", "resolve", run, "--as", "resend", "--accept-duplicate-risk")
    busy.ok("serve", "--until-idle")
    letters = [path.read_text("utf-8") for path in (busy.folder / "desk.db.outbox" / "email").glob("*.eml")]
    assert sum("To: cleo@unknown.example.com" in letter for letter in letters) == 2


def test_a_delivered_message_lets_the_run_go_on(busy: Terminal) -> None:
    run = busy.run_of("K-3")
    busy.ok("run", "resolve", run, "--as", "delivered")
    busy.ok("run", "resume", run)
    assert status(busy, "K-3") == ("WAITING", "", "ring")


def test_a_message_that_was_not_delivered_may_be_tried_again(busy: Terminal) -> None:
    run = busy.run_of("K-3")
    busy.ok("run", "resolve", run, "--as", "not-delivered")
    busy.ok("run", "retry", run)
    assert status(busy, "K-3")[0] == "ACTIVE"


def test_nothing_to_resolve_is_refused(busy: Terminal) -> None:
    said = busy.dee("run", "resolve", busy.run_of("K-4"), "--as", "delivered")
    assert said.code == 1
    assert "(nothing_to_resolve)" in said.err


# -- tasks -------------------------------------------------------------------------------------------------------------


def test_tasks_are_listed_and_done(busy: Terminal) -> None:
    listed = sorted(busy.ok("task", "list", "--json").records(), key=lambda task: task["name"])
    assert [(task["name"], task["step"], task["outcomes"]) for task in listed] == [
        ("Ada", "ring", ["badly", "well"]),
        ("Ben", "ring", ["badly", "well"]),
    ]
    assert "Ring and ask how it went." in busy.ok("task", "list", "--plan", "welcome").out
    busy.ok("task", "done", listed[0]["run"], "well")
    assert status(busy, "K-1")[:2] == ("COMPLETED", "happy")
    assert "nothing waits for a person" in busy.ok("task", "list", "--plan", "other").out


def test_an_outcome_that_the_task_does_not_know_names_those_it_does(busy: Terminal) -> None:
    said = busy.dee("task", "done", busy.run_of("K-1"), "splendid")
    assert said.code == 1
    assert "one of badly, well" in said.err
    done = busy.dee("task", "done", busy.run_of("K-4"), "well")
    assert done.code == 1
    assert "(no_task)" in done.err


@pytest.mark.parametrize("contact", ["K-1", "K-3", "K-4"])
def test_every_command_that_is_offered_can_be_typed_as_it_stands(busy: Terminal, contact: str) -> None:
    offered = [
        one["command"] for one in busy.ok("run", "show", busy.run_of(contact), "--json").record()["next"]["choices"]
    ]
    assert offered
    busy.ok("disarm")  # an armed file notices that an older state was put back
    kept = busy.file.read_bytes()
    for command in offered:
        busy.file.write_bytes(kept)
        assert busy.ok(*command.split()[1:]).out.endswith(": 1 runs\n")


def test_a_loop_that_ends_says_until_when_nothing_is_left_to_do(busy: Terminal) -> None:
    due = busy.ok("status", "--json").record()["next_due"]["utc"]
    assert busy.ok("serve", "--until-idle").out == f"nothing is left to do before {due}\n"
