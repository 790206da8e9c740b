"""Writes docs/states.md from the kernel's tables of transitions and the golden table of cells: it cannot drift from the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kernel_situations import ANSWERS, OPERATOR, TABLE

from dee_appliance.kernel.e1.run import ATTEMPT_TRANSITIONS, ENDED, TRANSITIONS

PAGE = Path(__file__).parents[1] / "docs" / "states.md"

TEXT = """\
# States

Both pictures are drawn from the tables in `dee_appliance/kernel/e1/run.py` by `python tests/state_diagrams.py`; a test keeps
them in step. A pair that is not drawn is refused and recorded. What every verb, timer, answer and event does in every state,
cell by cell, stands in `tests/golden/kernel_states.txt`.

## A run

{runs}

| status | what the run is blocked on |
|---|---|
| PENDING | its start time |
| ACTIVE | nothing, or a send of its own: in the queue, in flight, in a call |
| WAITING | a wait, a person's task, the pause before the next attempt |
| HELD | the gate: until hours open, or until a person looks at it (stale, not on the trial's guest list) |
| PAUSED | the person who paused it; what is in flight settles meanwhile, and the rest of a delay is kept |
| FAILED | a person, or the plan's recovery policy; it keeps its reason |
| COMPLETED, CANCELLED | nothing any more; a send that was in flight still settles |

`recover` is the plan's `recover = {{ on = ["confirmed"] }}`, `postpone` gives a run that had not started its start time
back. Every other word is an operator's verb or what its name says. Exit conditions (`complete`) are asked before every step
and after every input about the contact, in every status but FAILED.

### What a person can do

The status after each verb, or the code of its refusal (in italics). Where it depends on what the run is blocked on or what became
of its last send, all that can come of it are named; the golden table says which is when.

{verbs}

## An attempt

{attempts}

INTENDED waits in the queue without permit or reservation. PARKED waits for a private reason: hours, a pause, the guest list.
ONGOING is a call that the provider has taken. UNKNOWN is never sent again by itself, and its counters stay spent: a later word
of the provider or a person makes it ACCEPTED or NOT_SENT, or a person gives it up as ABANDONED (to have it sent again, or not
at all).

### What an answer does

The state of the attempt after each answer of a provider, or the code of its refusal (in italics). The first certain fact wins:
"stays" is an answer that is recorded as evidence and changes nothing. So is, in every state, an answer about an attempt that
another one has followed.

{answers}
"""


def diagram(table: Mapping[Any, Mapping[Any, Any]], first: str) -> str:
    """Draw a table as a Mermaid state diagram: one arrow for each pair of states, with every word that leads there."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state, moves in table.items():
        arrows: dict[str, list[str]] = {}
        for word, target in moves.items():
            arrows.setdefault(target, []).append(word)
        lines += [f"    {state} --> {target}: {', '.join(words)}" for target, words in arrows.items()]
        lines += [f"    {state} --> [*]"] if not moves else []
    return "\n".join([*lines, "```"])


def page() -> str:
    """The whole page."""
    assert all(not TRANSITIONS[status] for status in ENDED)
    verbs, answers = golden_cells()
    return TEXT.format(
        runs=diagram(TRANSITIONS, "PENDING"),
        attempts=diagram(ATTEMPT_TRANSITIONS, "INTENDED"),
        verbs=matrix(list(TRANSITIONS), list(OPERATOR), verbs),
        answers=matrix(list(ATTEMPT_TRANSITIONS), list(ANSWERS), answers),
    )


# -- the matrices --------------------------------------------------------------------------------------------------------

Cells = dict[tuple[str, str], list[str]]
"""What comes of a state and a happening, in every situation that has the state."""


def matrix(columns: Sequence[str], rows: Sequence[str], cells: Cells) -> str:
    """Draw a matrix; every cell must have something in it.

    Raises KeyError: the golden table has no situation for a pair.
    """
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in rows:
        drawn = [
            "<br>".join(sorted({*cells[column, row]}, key=lambda told: (told[0] == "*", told))) for column in columns
        ]
        lines.append(f"| `{row}` | {' | '.join(drawn)} |")
    return "\n".join(lines)


def golden_cells() -> tuple[Cells, Cells]:
    """Read the golden table: run status × what an operator does, and attempt state × answer."""
    runs: Cells = {}
    attempts: Cells = {}
    status = state = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            before = line.partition(" = ")[2]
            status, state = before.partition("(")[0], _attempt(before)
        happening, _, outcome = line.partition("  ")
        outcome = outcome.strip()
        if happening in OPERATOR:
            runs.setdefault((status, happening), []).append(_drawn(outcome, outcome.partition("(")[0]))
        if happening in ANSWERS and state:
            attempts.setdefault((state, happening), []).append(_drawn(outcome, _attempt(outcome)))
    return runs, attempts


def _attempt(shown: str) -> str:
    """The state of the newest attempt in what the golden table shows, empty if there is none."""
    return next((word.partition("#")[0] for word in shown.split() if "#" in word), "")


def _drawn(outcome: str, state: str) -> str:
    if outcome.startswith("no: "):
        return f"*{outcome.removeprefix('no: ')}*"
    return "stays" if outcome == "=" else state


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
