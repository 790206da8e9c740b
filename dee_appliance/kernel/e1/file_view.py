"""What a decision about the file may read, and what it can be: shared by the inputs about the file and those about its rules."""

from __future__ import annotations

from typing import Literal

from dee_appliance.kernel.e1.run import Entry, Frozen, Hold
from dee_appliance.kernel.e1.turn import file_core


class FileView(Frozen, frozen=True, kw_only=True):
    """What a decision about the file may read."""

    tick: int
    published: str | None = None
    """The digest that the named plan version has already."""
    document: bool = True
    """Whether the named document is in the file."""
    sound: bool = True
    """Whether it is what it says it is, and can be kept."""
    schema_known: bool = True
    """Whether the plan document is of a schema that this epoch executes."""
    epoch: int = 0
    """The epoch that decides this input."""
    holds: tuple[Hold, ...] = ()
    incarnation: int = 0
    value: object = None
    """The decoded value of a ConfigSet."""
    current: str | None = None
    """The digest of the pack of this id that is in use."""
    clashes: tuple[str, ...] = ()
    """Ids of rules of the named pack that another source in use has already."""
    version: int = 0
    """The version of the named list that is in use; 0 if there is none."""
    count: int = 0
    """How many addresses the named version of the list has."""


Change = Literal[
    "", "plan", "policy", "pack", "retire", "fact", "list", "listed", "zones", "setting", "incarnation", "epoch"
]


class FileDecision(Frozen, frozen=True, kw_only=True):
    """What the input does: entries, and at most one change of the file's state."""

    entries: tuple[Entry, ...]
    change: Change = ""
    holds: tuple[Hold, ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    outcome: str = "done"


def file_entry(view: FileView, action: str, outcome: str, detail: dict[str, object]) -> Entry:
    """Return an entry about the file."""
    return Entry(core=file_core(view.tick, action, outcome, detail))


def done(
    view: FileView,
    action: str,
    outcome: str,
    detail: dict[str, object],
    change: Change,
) -> FileDecision:
    """Return a decision that changes one thing."""
    return FileDecision(entries=(file_entry(view, action, outcome, detail),), change=change)


def refused(view: FileView, action: str, code: str, detail: dict[str, object] | None = None) -> FileDecision:
    """Return a decision that changes nothing and says why."""
    entry = file_entry(view, action, "rejected", {"code": code, **(detail or {})})
    return FileDecision(entries=(entry,), outcome=f"rejected:{code}")
