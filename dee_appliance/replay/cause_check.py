"""The inputs beside the log: each entry must name an input that is there and unchanged, each input must have an
entry.

Also what the shell computed for an input, against what the entries say of it. The queue and the renderings are read
as streams in step with the entries; nothing is looked up twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import EvidenceError
from dee_appliance.kernel.e1.encoding import NotCanonical, decode_canonical, send_key
from dee_appliance.replay.entry_form import Form, part
from dee_appliance.replay.reading import GivenRow, ReplayQueries, read_given, read_inputs
from dee_appliance.store.journal import InputRow, input_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.replay.finding import Findings
    from dee_appliance.store.database import Database

NO_CAUSE = "0" * 64
"""The digest that the first entry names: it has no input."""

SAID_OF_GIVEN: dict[str, object] = {
    "code": "",
    "template": "",
    "renderer": "",
    "bytes": 0,
    "units": 1,
    "commitment": "",
}
"""What an entry says of its rendering, with the value that stands for a field that the rendering leaves out."""


GIVEN_KEYS = frozenset({*SAID_OF_GIVEN, "attempt", "features", "field", "send_key"})
"""All that a rendering can say."""

SENDS = ("send_email", "send_sms", "call")
COUNTED_BY_RENDERING = ("send_email", "send_sms")
"""Sends whose units follow from the rendering; those of a call follow from its plan."""


class CauseCheck:
    """The place in the queue while the log is read."""

    def __init__(self, database: Database, names: ReplayQueries, findings: Findings, epoch: int | None) -> None:
        self._findings = findings
        self._inputs: Iterator[InputRow] = read_inputs(database, names)
        self._given = _GivenCursor(read_given(database, names), findings)
        self._tick = epoch
        self._current: InputRow | None = None
        self._digest = ""
        self._entries = 0
        self._blamed = 0
        self._gap = (0, 0)
        """The inputs that were last found missing, first and last."""
        self._answered = True
        """Whether the log can still name inputs: behind its end a gap in the queue is no loss of something it knew."""
        self._ended = False
        self._lost = False
        """The queue cannot be read any more: nothing can be said of what its inputs were."""
        self.inputs = 0
        self.given = 0

    def entry(self, seq: int, form: Form, *, doubtful: bool) -> None:
        """Check the reference of one sound entry. `doubtful`: entries before it are missing or unreadable."""
        if form.cause == 0:
            self._given.lineage = _lineage(form)
            if seq != 0 or form.cause_digest != NO_CAUSE:
                self._findings.add("input-missing", "the entry names no input", seq=seq)
            return
        if not self._reach(seq, form.cause, doubtful=doubtful):
            return
        self._entries += 1
        if form.cause_digest != self._digest and self._blamed < form.cause:
            self._findings.add("input-changed", seq=seq, about=form.cause)
            self._blamed = form.cause
        if "given" in form.evidence:
            self._given.check(seq, form)
        elif form.run is not None and form.core["action"] in SENDS:
            self._given.check_refused(seq, form, form.run)

    def _reach(self, seq: int, cause: int, *, doubtful: bool) -> bool:
        """Go on in the queue to the input that an entry names; False when it is not there."""
        if self._current is not None and cause < self._current.seq:
            if not self._in_gap(cause):
                self._findings.add("input-moved", seq=seq, about=cause)
            return False
        while not self._ended and (self._current is None or self._current.seq < cause):
            self._advance(doubtful=doubtful)
        if self._current is not None and self._current.seq == cause:
            return True
        if not self._lost and not self._in_gap(cause) and self._blamed < cause:
            self._findings.add("input-missing", seq=seq, about=cause)
            self._blamed = cause
        return False

    def _in_gap(self, cause: int) -> bool:
        return self._gap[0] <= cause <= self._gap[1]

    def unsound(self, form: Form) -> None:
        """Count an entry that was changed: its input may have no other, and is not to blame for that."""
        if self._current is not None and form.cause == self._current.seq:
            self._entries += 1

    def end(self, last: int, *, doubtful: bool) -> None:
        """The log has ended: whatever is left in the queue has no entry. `last`: the seq of the last entry."""
        first: int | None = None
        self._answered = False
        while True:
            if self._current is not None and not self._entries and first is None:
                first = self._current.seq
            if self._ended:
                break
            self._next()
        if first is not None and not doubtful and not self._lost:
            self._findings.add("truncated", f"inputs from {first} on have no entry", seq=last + 1, about=first)
        self._given.end()
        self.given = self._given.rows

    def _advance(self, *, doubtful: bool) -> None:
        if self._current is not None and not self._entries and not doubtful:
            self._findings.add("input-unanswered", about=self._current.seq)
        self._next()

    def _next(self) -> None:
        before = 0 if self._current is None else self._current.seq
        row = self._read(before)
        self._current = row
        self._entries = 0
        if row is None:
            self._ended = True
            return
        self.inputs += 1
        if row.seq != before + 1 and self._answered:
            self._findings.add("input-missing", f"inputs {before + 1} to {row.seq - 1} are gone", about=before + 1)
            self._gap = (before + 1, row.seq - 1)
        if self._tick is not None and row.tick < self._tick:
            self._findings.add("clock-backwards", about=row.seq)
        self._tick = row.tick
        self._digest = input_digest(row).hex()
        self._given.input(row.seq)

    def _read(self, before: int) -> InputRow | None:
        try:
            return next(self._inputs, None)
        except EvidenceError as error:
            self._lost = True
            self._findings.add(
                "file-corrupt", f"the queue cannot be read after input {before}: {error.what}", about=before + 1
            )
            return None


class _GivenCursor:
    """The renderings of the present input."""

    def __init__(self, rows: Iterator[GivenRow], findings: Findings) -> None:
        self._rows = rows
        self._findings = findings
        self._here: dict[str, dict[str, object]] = {}
        self._lost = False
        self.lineage: bytes | None = None
        """As the first entry names it; None when that cannot be read."""
        self.rows = 0
        self._ahead = self._next()

    def input(self, seq: int) -> None:
        """Go on to the rows of this input; rows before it belong to none."""
        self._here = {}
        while self._ahead is not None and self._ahead.seq <= seq:
            self.rows += 1
            if self._ahead.seq < seq:
                self._extra(self._ahead)
            else:
                self._keep(self._ahead)
            self._ahead = self._next()

    def check(self, seq: int, form: Form) -> None:
        """Compare what an entry says of its rendering with the rendering that was recorded."""
        evidence = form.evidence
        found = self._here.get(_key(evidence.get("send"), evidence.get("attempt")))
        if self._lost:
            return
        if found is None:
            self._findings.add("given-missing", seq=seq, about=form.cause)
            return
        said = {**part(evidence, "given"), "code": "ok", "commitment": evidence.get("commitment")}
        for field, default in SAID_OF_GIVEN.items():
            if found.get(field, default) != said.get(field):
                self._findings.add("given-changed", f"{field} is another one", seq=seq, about=form.cause)
                return

    def check_refused(self, seq: int, form: Form, run: str) -> None:
        """Compare what an entry of a send that did not leave says of its rendering: why there is none, or its units.

        Such an entry names no send key; it follows from the run, the step and the visit.
        """
        step, visit, attempt = form.core["step"], form.core["visit"], form.detail.get("attempt")
        units = form.saw.get("units") if form.core["action"] in COUNTED_BY_RENDERING else None
        failed = form.core["outcome"] == "not_rendered"
        if self._lost or self.lineage is None or not (failed or units):
            return
        if not (isinstance(step, str) and isinstance(visit, int)):
            return
        found = self._of_send(send_key(self.lineage, run, step, visit), attempt)
        if found is None:
            self._findings.add("given-missing", seq=seq, about=form.cause)
            return
        said: dict[str, object] = {"code": "ok", "units": units}
        if failed:
            said = {"code": form.detail.get("code"), "field": form.detail.get("field", "")}
        defaults: dict[str, object] = {"code": "", "field": "", "units": 1}
        for field, value in said.items():
            if found.get(field, defaults[field]) != value:
                self._findings.add("given-changed", f"{field} is another one", seq=seq, about=form.cause)
                return

    def _of_send(self, send: str, attempt: object) -> dict[str, object] | None:
        """The rendering of a send; a hold does not say of which attempt, and there is no more than one in an input."""
        if attempt is not None:
            return self._here.get(_key(send, attempt))
        return next((given for key, given in self._here.items() if key.startswith(_key(send, ""))), None)

    def end(self) -> None:
        """Whatever is left belongs to no input."""
        while self._ahead is not None:
            self.rows += 1
            self._extra(self._ahead)
            self._ahead = self._next()

    def _extra(self, row: GivenRow) -> None:
        self._findings.add("given-extra", f"row {row.ordinal} of an input that is not there", about=row.seq)

    def _keep(self, row: GivenRow) -> None:
        try:
            value = decode_canonical(row.body)
        except NotCanonical:
            value = None
        given = msgspec.convert(value, dict[str, object]) if isinstance(value, dict) else None
        if given is None:
            self._findings.add("given-changed", f"row {row.ordinal} is not canonical JSON", about=row.seq)
            return
        unknown = sorted(given.keys() - GIVEN_KEYS)
        if unknown:
            self._findings.add("given-changed", f"row {row.ordinal} has a field {unknown[0]}", about=row.seq)
        key = _key(given.get("send_key"), given.get("attempt"))
        if key in self._here:
            what = f"row {row.ordinal} is a second rendering of one send"
            self._findings.add("given-extra", what, about=row.seq)
            return
        self._here[key] = given

    def _next(self) -> GivenRow | None:
        try:
            return next(self._rows, None)
        except EvidenceError as error:
            self._lost = True
            self._findings.add("file-corrupt", f"the recorded renderings cannot be read: {error.what}")
            return None


def _lineage(form: Form) -> bytes | None:
    try:
        return bytes.fromhex(str(form.detail.get("lineage", "")))
    except ValueError:
        return None


def _key(send: object, attempt: object) -> str:
    return f"{send}/{attempt}"
