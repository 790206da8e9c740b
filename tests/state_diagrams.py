"""Writes docs/states.md from the kernel's two tables of transitions, so that the pictures cannot drift from the code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

## An attempt

{attempts}

INTENDED waits in the queue without permit or reservation. PARKED waits for a private reason: hours, a pause, the guest list.
ONGOING is a call that the provider has taken. UNKNOWN is never sent again by itself, and its counters stay spent: a later word
of the provider or a person makes it ACCEPTED or NOT_SENT, or a person gives it up as ABANDONED (to have it sent again, or not
at all).
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
    return TEXT.format(runs=diagram(TRANSITIONS, "PENDING"), attempts=diagram(ATTEMPT_TRANSITIONS, "INTENDED"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
