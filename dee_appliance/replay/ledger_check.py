"""The send ledger beside the log: each entry that let a send pass has its mark there, each mark has its entry.

What later marks say (accepted, rejected, unknown) takes a kernel to judge: the comparison of tables does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.errors import EvidenceError
from dee_appliance.replay.heads import Heads

if TYPE_CHECKING:
    from pathlib import Path

    from dee_appliance.replay.entry_form import Form
    from dee_appliance.replay.finding import Findings
    from dee_appliance.replay.reading import ReplayQueries
    from dee_appliance.store.database import Database

MARK = "DISPATCHING"
OUTCOME = "dispatched"


class LedgerCheck:
    """The sends that passed the gate, collected while the log is read, in bounded memory."""

    def __init__(self, database: Database, names: ReplayQueries, findings: Findings, scratch: Path | None) -> None:
        self._database = database
        self._names = names
        self._findings = findings
        self._sends = Heads(names, folder=scratch)

    def entry(self, seq: int, form: Form) -> None:
        """Note an entry that let a send pass."""
        name = f"{form.evidence.get('send')}/{form.evidence.get('attempt')}"
        self._sends.put(name, (form.cause, f"{seq} {form.core['tick']}"))

    def end(self, *, doubtful: bool) -> None:
        """Compare with the ledger. `doubtful`: entries are missing or unreadable, so a mark may be alone for that reason."""
        try:
            with self._sends:
                self._compare(doubtful=doubtful)
        except EvidenceError as error:
            self._findings.add("file-corrupt", f"the ledger cannot be read: {error.what}")

    def _compare(self, *, doubtful: bool) -> None:
        for send, attempt, cause, tick in self._database.stream(self._names.select_marks, (MARK,)):
            found = self._sends.pop(f"{send}/{attempt}")
            if found is None:
                if not doubtful:
                    what = f"send {send}, attempt {attempt} is marked as dispatched, and no entry says so"
                    self._findings.add("ledger-differs", what, about=cause)
                continue
            seq, said = found[1].split(" ", 1)
            if found[0] != cause or said != str(tick):
                what = f"send {send}, attempt {attempt} is marked for input {cause} at tick {tick}"
                self._findings.add("ledger-differs", what, seq=int(seq), about=found[0])
        left = self._sends.any()
        if left is not None:
            what = f"send {left[0].replace('/', ', attempt ')} was dispatched and has no mark"
            self._findings.add("ledger-differs", what, seq=int(left[1][1].split(" ", 1)[0]), about=left[1][0])
