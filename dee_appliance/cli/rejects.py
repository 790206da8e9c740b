"""What imports from CSV have in common on the command line: delimiters, and the rows that were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dee_appliance.cli.command import Session
    from dee_appliance.intake.rejects import Reject

SHOWN_REJECTS = 10
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", ",": ",", ";": ";", "\\t": "\t"}


def delimiter_of(text: str | None) -> str | None:
    """Return the delimiter that a word names; None is to be found in the header. Raises Usage."""
    if text is not None and text not in DELIMITERS:
        raise Usage(f"`{text}` is no delimiter", where="--delimiter", hint="comma, semicolon or tab")
    return None if text is None else DELIMITERS[text]


def remembering(first: list[Reject]) -> Callable[[Reject], None]:
    """Return what keeps the first rejects in a list."""

    def remember(reject: Reject) -> None:
        if len(first) < SHOWN_REJECTS:
            first.append(reject)

    return remember


def reject_record(reject: Reject) -> dict[str, object]:
    """Return a reject as it stands in JSON, without its cells."""
    return {"line": reject.line, "code": reject.code, "reason": reject.reason}


def show_rejects(session: Session, first: list[Reject], target: Path | None, hint: str) -> None:
    """The first rejects and where all of them are; on standard error, since they are no result."""
    if not first:
        return
    for reject in first:
        session.out.note(f"  line {reject.line}: {reject.code}: {reject.reason}")
    if target is not None and target.exists():
        session.out.note(f"every reject is in {target}: {hint}")
