"""What a case expects, compared with what happened. Only what is written is looked at.

Lists of sends, holds and denials are exact: as many, in this order. Entries are found in order, with others between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.authoring.notation import format_money, parse_money, second_of_day
from dee_appliance.kernel.e1.civil_time import OutOfRange, format_local, format_utc
from dee_appliance.runtime.reports_view import zone_of
from dee_appliance.scenarios.playing import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dee_appliance.authoring.place import Place
    from dee_appliance.authoring.written_scenario import (
        WrittenDenialSeen,
        WrittenEntrySeen,
        WrittenExpect,
        WrittenHoldSeen,
        WrittenSendSeen,
    )
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import LogLine
    from dee_appliance.scenarios.calendar import Calendar
    from dee_appliance.scenarios.story import Denied, Held, Sent, Story

DAY_S = 86_400
SHOWN_TEXT = 400


class Expecting:
    """Compares one expectation with one story."""

    def __init__(self, view: View, place: Place, expect: WrittenExpect, calendar: Calendar, story: Story) -> None:
        self._view = view
        self._place = place
        self._expect = expect
        self._calendar = calendar
        self._story = story
        self.failures: list[Failure] = []

    def compare(self) -> list[Failure]:
        """Return everything that is not as expected."""
        self._visits()
        self._status()
        self._branches()
        self._sends()
        self._holds()
        self._denials()
        self._entries()
        self._rest()
        return self.failures

    def _fail(self, keys: tuple[str | int, ...], expected: str, happened: str, entry: LogLine | None = None) -> None:
        seq = None if entry is None else entry.seq
        line, run = self._place.line(*keys), self._story.run.run
        self.failures.append(Failure(line=line, expected=expected, happened=happened, run=run, entry=seq))

    def _tick(self, keys: tuple[str | int, ...], when: str) -> int:
        return self._calendar.tick(self._place, keys, when)

    # ---- the run ----

    def _visits(self) -> None:
        wanted = self._expect.visits
        if wanted is None or tuple(wanted) == self._story.visits:
            return
        seen = self._story.visits
        at = next(
            (index for index, pair in enumerate(zip(wanted, seen, strict=False)) if pair[0] != pair[1]),
            min(len(wanted), len(seen)),
        )
        keys = ("visits", at) if at < len(wanted) else ("visits",)
        expected = f"visit {at + 1} is {wanted[at]}" if at < len(wanted) else f"{len(wanted)} visits and no more"
        happened = f"it is {seen[at]}" if at < len(seen) else f"the run ended after {len(seen)}"
        entry = self._entry_of_visit(at)
        self._fail(keys, expected, f"{happened}; the run visited {_listed(seen)}", entry)

    def _entry_of_visit(self, at: int) -> LogLine | None:
        seen: dict[tuple[str, int], LogLine] = {}
        for line in self._story.lines:
            if line.step:
                seen.setdefault((line.step, line.visit or 1), line)
        lines = list(seen.values())
        return lines[at] if at < len(lines) else None

    def _status(self) -> None:
        run, expect = self._story.run, self._expect
        last = self._story.lines[-1] if self._story.lines else None
        told = f"{run.status} {run.reason}".strip()
        if expect.status is not None and expect.status != run.status:
            self._fail(("status",), f"the run is {expect.status}", f"it is {told}, at {run.step or 'no step'}", last)
        for key, wanted in (("outcome", expect.outcome), ("reason", expect.reason)):
            if wanted is not None and (wanted != run.reason or (key == "outcome" and run.status != "COMPLETED")):
                self._fail((key,), f"the {key} is {wanted}", f"the run is {told}, at {run.step or 'no step'}", last)
        if expect.step is not None and expect.step != run.step:
            self._fail(("step",), f"the run is at {expect.step}", f"it is at {run.step or 'no step'}", last)

    def _branches(self) -> None:
        for step, target in (self._expect.branches or {}).items():
            taken = [to for source, to in self._story.ways if source == step]
            if target in taken:
                continue
            happened = f"it went to {_listed(taken)}" if taken else "the run did not leave that step"
            self._fail(("branches", step), f"{step} goes to {target}", happened)

    # ---- lists ----

    def _exactly(
        self,
        key: str,
        wanted: Sequence[object],
        seen: Sequence[Sent] | Sequence[Held] | Sequence[Denied],
        tell: Callable[[object], str],
    ) -> bool:
        """Compare how many there are; tell whether there are as many."""
        if len(wanted) == len(seen):
            return True
        listed = "; ".join(tell(one) for one in seen) or "none"
        entry = seen[len(wanted)].entry if len(seen) > len(wanted) else None
        self._fail((key,), f"{len(wanted)} {key}", f"there are {len(seen)}: {listed}", entry)
        return False

    def _sends(self) -> None:
        wanted, seen = self._expect.sends, self._story.sends
        if wanted is None:
            return
        if isinstance(wanted, int):
            if wanted != len(seen):
                listed = "; ".join(self._told_send(one) for one in seen) or "none"
                entry = seen[wanted].entry if len(seen) > wanted else None
                self._fail(("sends",), f"{wanted} sends", f"there are {len(seen)}: {listed}", entry)
            return
        self._exactly("sends", wanted, seen, self._told_send)
        for index, (one, sent) in enumerate(zip(wanted, seen, strict=False)):
            self._send(("sends", index), one, sent)

    def _told_send(self, sent: object) -> str:
        assert hasattr(sent, "entry")
        line: LogLine = sent.entry
        return f"{line.step} at {self._calendar.shown(line.tick + self._view.epoch)}"

    def _told_other(self, one: object) -> str:
        rule, step = getattr(one, "rule", ""), getattr(one, "step", "")
        until = getattr(one, "until", None)
        return f"{step or 'the queue'} by {rule}" + ("" if until is None else f" until {self._calendar.shown(until)}")

    def _send(self, keys: tuple[str | int, ...], wanted: WrittenSendSeen, sent: Sent) -> None:
        line = sent.entry
        tick = line.tick + self._view.epoch
        self._same(keys, wanted, {
            "step": line.step, "visit": line.visit, "attempt": sent.attempt, "channel": sent.channel,
            "to": sent.message.to, "outcome": sent.outcome,
        }, line)  # fmt: skip
        self._time(keys, wanted, sent, tick)
        if wanted.between is not None:
            self._between(keys, wanted, sent, tick)
        self._text(keys, wanted, sent)

    def _time(self, keys: tuple[str | int, ...], wanted: WrittenSendSeen, sent: Sent, tick: int) -> None:
        for word, fits in (("at", tick.__eq__), ("after", tick.__ge__), ("before", tick.__lt__)):
            when: str | None = getattr(wanted, word)
            if when is None:
                continue
            bound = self._tick((*keys, word), when)
            if not fits(bound):
                expected, happened = (
                    f"sent {word} {self._calendar.shown(bound)}",
                    f"sent at {self._calendar.shown(tick)}",
                )
                self._fail((*keys, word), expected, happened, sent.entry)

    def _between(self, keys: tuple[str | int, ...], wanted: WrittenSendSeen, sent: Sent, tick: int) -> None:
        assert wanted.between is not None
        zone = zone_of(self._view.state.contact(self._story.run.contact)) or self._calendar.zone
        try:
            second = self._calendar.zones.local_at(zone, tick) % DAY_S
        except OutOfRange:
            return
        opens, closes = (second_of_day(time) for time in wanted.between)
        inside = opens <= second < closes if opens < closes else (second >= opens or second < closes)
        if not inside:
            expected = f"sent between {wanted.between[0]} and {wanted.between[1]} on the clock of the contact"
            happened = f"sent at {format_local(self._calendar.zones, zone, tick)}"
            self._fail((*keys, "between"), expected, happened, sent.entry)

    def _text(self, keys: tuple[str | int, ...], wanted: WrittenSendSeen, sent: Sent) -> None:
        if all(part is None for part in (wanted.subject, wanted.contains, wanted.lacks, wanted.text)):
            return
        subject, said = sent.read()
        whole = f"{subject}\n{said}"
        shown = f"the message is: {_short(said)}"
        self._same(keys, wanted, {"subject": subject}, sent.entry)
        for index, text in enumerate(wanted.contains or ()):
            if text not in whole:
                self._fail((*keys, "contains", index), f'the message contains "{text}"', shown, sent.entry)
        for index, text in enumerate(wanted.lacks or ()):
            if text in whole:
                self._fail((*keys, "lacks", index), f'the message does not contain "{text}"', shown, sent.entry)
        if wanted.text is not None and wanted.text.strip() != said.strip():
            self._fail((*keys, "text"), f"the message is: {_short(wanted.text)}", shown, sent.entry)

    def _same(self, keys: tuple[str | int, ...], wanted: object, seen: Mapping[str, object], entry: LogLine) -> None:
        for name, value in seen.items():
            expected = getattr(wanted, name)
            if expected is not None and expected != value:
                self._fail((*keys, name), f"{name} {expected}", f"{name} {value}" if value else f"no {name}", entry)

    def _holds(self) -> None:
        wanted: Sequence[WrittenHoldSeen] | None = self._expect.holds
        if wanted is None:
            return
        self._exactly("holds", wanted, self._story.holds, self._told_other)
        for index, (one, held) in enumerate(zip(wanted, self._story.holds, strict=False)):
            keys = ("holds", index)
            self._same(keys, one, {"step": held.step, "rule": held.rule}, held.entry)
            if one.until is not None:
                until = self._tick((*keys, "until"), one.until)
                if until != held.until:
                    seen = "without a time" if held.until is None else f"until {self._calendar.shown(held.until)}"
                    self._fail(
                        (*keys, "until"), f"held until {self._calendar.shown(until)}", f"held {seen}", held.entry
                    )

    def _denials(self) -> None:
        wanted: Sequence[WrittenDenialSeen] | None = self._expect.denials
        if wanted is None:
            return
        self._exactly("denials", wanted, self._story.denials, self._told_other)
        for index, (one, denied) in enumerate(zip(wanted, self._story.denials, strict=False)):
            seen = {"step": denied.step, "rule": denied.rule, "reason": denied.reason}
            self._same(("denials", index), one, seen, denied.entry)

    def _entries(self) -> None:
        position = 0
        lines = self._story.lines
        for index, wanted in enumerate(self._expect.entries or ()):
            at = next((at for at in range(position, len(lines)) if self._fits(index, wanted, lines[at])), None)
            if at is None:
                where = f" after {lines[position - 1].action}" if position else ""
                told = _listed([f"{line.action} {line.outcome}" for line in lines[position:]])
                self._fail(("entries", index), f"an entry {_told_entry(wanted)}{where}", f"there is {told}")
                return
            position = at + 1

    def _fits(self, index: int, wanted: WrittenEntrySeen, line: LogLine) -> bool:
        seen = {"action": line.action, "outcome": line.outcome, "step": line.step, "visit": line.visit}
        if any(getattr(wanted, name) not in (None, value) for name, value in seen.items()):
            return False
        if wanted.at is not None and self._tick(("entries", index, "at"), wanted.at) != line.tick + self._view.epoch:
            return False
        return all(name in line.detail and line.detail[name] == value for name, value in (wanted.detail or {}).items())

    # ---- the rest ----

    def _rest(self) -> None:
        expect, story = self._expect, self._story
        last = story.lines[-1] if story.lines else None
        if expect.cost is not None:
            currency = self._view.state.policy()[0].currency
            micros = parse_money(expect.cost)
            if micros != (story.cost_micros or 0):
                seen = "nothing: no budget prices its sends"
                if story.cost_micros is not None:
                    seen = format_money(story.cost_micros, currency)
                self._fail(("cost",), f"the run costs {format_money(micros, currency)}", f"it costs {seen}")
        if expect.ends is not None and last is not None:
            ends, seen_tick = self._tick(("ends",), expect.ends), last.tick + self._view.epoch
            if ends != seen_tick:
                happened = f"its last entry is at {self._calendar.shown(seen_tick)}"
                self._fail(("ends",), f"the run's last entry is at {self._calendar.shown(ends)}", happened, last)
        if expect.head is not None and not story.run.rp.startswith(expect.head):
            self._fail(("head",), f"the run head is {expect.head}", f"it is {story.run.rp}")


def refused_instead(place: Place, expect: WrittenExpect, code: str | None) -> list[Failure]:
    """Compare an expectation for a run that is not there: `code` says why the enrolment was refused, if it was."""
    if expect.refused is not None and expect.refused == code:
        return []
    happened = "nobody tried to enrol it" if code is None else f"the enrolment was refused: {code}"
    if expect.refused is not None:
        line = place.line("refused")
        return [Failure(line=line, expected=f"the enrolment is refused: {expect.refused}", happened=happened)]
    if expect.sends in (0, []) and not (expect.visits or expect.status or expect.outcome):
        return []
    return [Failure(line=place.line(), expected=f"a run {expect.run}", happened=happened)]


def still_moving(stories: Sequence[Story]) -> str:
    """Say what still waits at the end; nothing when all is settled."""
    waiting = [
        f"{story.label} is {story.run.status} at {story.run.step or 'its start'}"
        + ("" if story.run.due is None else f" until {format_utc(story.run.due)}")
        for story in stories
        if story.run.status in ("PENDING", "ACTIVE", "WAITING", "HELD", "PAUSED")
    ]
    return "; ".join(waiting)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) if words else "nothing"


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= SHOWN_TEXT else f"{one_line[:SHOWN_TEXT]}…"


def _told_entry(wanted: WrittenEntrySeen) -> str:
    parts = [wanted.action or "", wanted.outcome or "", f"of {wanted.step}" if wanted.step else ""]
    parts += [f"with {name} {value}" for name, value in (wanted.detail or {}).items()]
    return " ".join(part for part in parts if part)
