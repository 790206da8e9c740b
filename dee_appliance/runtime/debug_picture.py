"""What a decision saw and what became of it, as flat names and values: easy to read, to compare and to watch.

A name is `run.step` or `contact.consent.email/marketing.granted`; a value is a text, a number, a truth or a list of these. Names
that end in `_tick` hold ticks as the log prints them, since the file's epoch; amounts are millionths of the currency's unit.
Nothing here is personal data: the kernel has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.rulebook import places_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dee_appliance.kernel.e1.run import Attempt, Consent, Contact, Hold, Run
    from dee_appliance.store.journal import Candidate

Picture = dict[str, object]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One value before and after; None where there is none."""

    name: str
    before: object
    after: object


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Change, ...]:
    """Return what differs, in the order of the pictures: what was there first, then what is new."""
    names = dict.fromkeys((*before, *after))
    return tuple(
        Change(name=name, before=before.get(name), after=after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def picture_of_run(run: Run, plan: str, epoch: int) -> Picture:
    """Return a run: where it is, what it waits for, what it remembers."""
    found: Picture = {
        "run.status": run.status,
        "run.reason": run.reason,
        "run.blocked_on": run.block,
        "run.step": run.step,
        "run.visit": run.visit,
        "run.due_tick": _tick(run.due, epoch),
        "run.entered_tick": _tick(run.entered or None, epoch),
        "run.started_tick": run.started - epoch,
        "run.plan": f"{plan} ({run.digest[:11]}…)",
        "run.enrolment": run.ordinal,
        "run.previous": run.previous,
        "run.send": run.send,
        "run.attempt": run.attempt,
        "run.remaining_s": run.remaining,
        "run.resume_to": run.resume_to,
        "run.paused_on": run.paused_block,
    }
    found |= {f"run.var.{name}": run.variables[name] for name in sorted(run.variables)}
    found |= {f"run.count.{name}": run.counts[name] for name in sorted(run.counts)}
    found |= {f"run.visits.{step}": run.visits[step] for step in sorted(run.visits)}
    for step in sorted(run.memory):
        memory = run.memory[step]
        found[f"run.memory.{step}"] = f"visit {memory.visit}: {', '.join((memory.outcome, *memory.seen))}"
    found |= {"run.entries": run.rs, "run.head": run.rp}
    return {name: value for name, value in found.items() if value not in ("", None)}


def picture_of_attempts(attempts: Iterable[Attempt], epoch: int) -> Picture:
    """Return the attempts of a run, oldest first."""
    found: Picture = {}
    for one in attempts:
        name = f"attempt.{one.step}/{one.visit}.{one.attempt}"
        found[f"{name}.state"] = one.state
        found[f"{name}.channel"] = one.channel
        found[f"{name}.send"] = one.send_key
        found[f"{name}.ready_tick"] = one.ready - epoch
        if one.sent:
            found[f"{name}.sent_tick"] = one.sent - epoch
        if one.cost is not None:
            found[f"{name}.cost_micros"] = one.cost
        if one.reserved:
            found[f"{name}.reserved"] = [
                f"{counter} {bucket}: {amount} {kind}" for counter, bucket, amount, kind in one.reserved
            ]
        if one.resends:
            found[f"{name}.resends"] = one.resends
    return found


def picture_of_contact(contact: Contact, epoch: int) -> Picture:
    """Return what a decision may know of a contact."""
    found: Picture = {"contact.id": contact.contact, "contact.known": contact.known}
    if contact.erased:
        found["contact.erased"] = True
    found |= {f"contact.attribute.{name}": contact.attributes[name] for name in sorted(contact.attributes)}
    places = places_of(contact)
    present = contact.facts.get("present")
    found["contact.present"] = list(present) if isinstance(present, list) else []
    found["contact.zones"] = list(places.zones)
    found["contact.jurisdictions"] = list(places.jurisdictions)
    found |= {f"contact.token.{kind}": contact.tokens[kind] for kind in sorted(contact.tokens)}
    for channel, purpose in sorted(contact.consents):
        consent = contact.consents[channel, purpose]
        found[f"contact.consent.{channel}/{purpose}"] = _consent_text(consent, epoch)
    for one in contact.suppressions:
        found[f"contact.suppression.{one.scope}/{one.subject}"] = f"{one.reason} (entry {one.entry})"
    return found


def _consent_text(consent: Consent, epoch: int) -> str:
    word = "granted" if consent.granted else "revoked"
    kind = f" {consent.consent_class}" if consent.granted else ""
    basis = f" by {consent.basis}" if consent.basis else ""
    until = "" if consent.expires is None else f" until tick {consent.expires - epoch}"
    return f"{word}{kind}{basis}{until} (entry {consent.entry})"


def picture_of_runs(runs: Iterable[Run], own: str) -> Picture:
    """Return the contact's other live runs, one line each."""
    return {f"other_run.{one.run}": f"{one.plan} {one.status} at {one.step}" for one in runs if one.run != own}


def picture_of_holds(holds: Iterable[Hold], epoch: int) -> Picture:
    """Return the shared holds: what no queue of theirs passes."""
    found: Picture = {}
    for one in holds:
        until = "a person releases it" if one.until is None else f"tick {one.until - epoch}"
        found[f"hold.{one.scope}.{one.reason}"] = f"until {until} (entry {one.entry})"
    return found


def picture_of_question(candidate: Candidate, epoch: int) -> Picture:
    """Return what the gate may read for one send beside run and contact."""
    shared, given = candidate.shared, candidate.given
    found: Picture = {
        "gate.policy": f"{shared.policy.id} (entry {shared.policy_entry})",
        "gate.packs": [f"entry {entry}" for entry in shared.packs],
        "message.made": given.code if given.code != "ok" else f"{given.bytes} bytes, {given.units} units",
        "message.template": given.template,
        "message.features": list(given.features),
    }
    found |= picture_of_counters(shared.counters)
    for name in sorted(shared.recent):
        found[f"counter.{name}"] = [f"tick {tick - epoch}: {count}" for tick, count in shared.recent[name]]
    for touch in shared.history:
        about = f"{touch.what} {touch.outcome or 'not known yet'}"
        found[f"history.{touch.entry}"] = f"tick {touch.tick - epoch}: {about}"
    for name, (value, entry) in shared.facts.items():
        found[f"fact.{name}"] = f"{'on' if value else 'off'} (entry {entry})"
    for name in sorted(shared.lists):
        used = shared.lists[name]
        found[f"list.{name}"] = f"version {used.version} as of tick {used.as_of - epoch} (entry {used.entry})"
    if shared.listed:
        found["contact.on_lists"] = list(shared.listed)
    if shared.trial_guests is not None:
        found["gate.trial_guests"] = len(shared.trial_guests)
    return found


def picture_of_counters(counters: Mapping[tuple[str, str], tuple[int, int]]) -> Picture:
    """Return counters as settled and reserved amounts."""
    return {
        f"counter.{name}[{bucket}]": f"{settled} settled, {reserved} reserved"
        for (name, bucket), (settled, reserved) in sorted(counters.items(), key=lambda item: item[0])
    }


def _tick(tick: int | None, epoch: int) -> int | None:
    return None if tick is None else tick - epoch
