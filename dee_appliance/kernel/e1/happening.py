"""What happens outside: events about sends and contacts, changed contacts, consent and suppression.

Whatever opens or closes a gate for the contact takes effect in the same decision, on every live run: exits are asked
again, and waits whose condition has come true end.
"""

from __future__ import annotations

from msgspec.structs import replace

from dee_appliance.kernel.e1.civil_time import DAY_S, OutOfRange, UnknownZone
from dee_appliance.kernel.e1.input import (
    EVENTS,
    TALLIED,
    ConsentSet,
    ContactErase,
    ContactPut,
    Event,
    EventMeaning,
    SuppressionSet,
)
from dee_appliance.kernel.e1.memory import WHOLE_RUN, remember_word
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import SuppressionRule
from dee_appliance.kernel.e1.rulebook import Places, Rulebook, concerns, places_of
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF
from dee_appliance.kernel.e1.rules.shared import tally
from dee_appliance.kernel.e1.run import (
    ENDED,
    Attempt,
    Consent,
    CounterChange,
    Run,
    Suppression,
    Touch,
)
from dee_appliance.kernel.e1.sending import call_outcome, confirm, outcome_known, settle_late, touch
from dee_appliance.kernel.e1.steps import exit_met, hasten_wait, recheck_wait
from dee_appliance.kernel.e1.turn import Turn

PLAIN = EventMeaning()
CONSENT_CLASSES = ("implied", "soft_opt_in", "express", "written")
"""From the weakest to the strongest."""

NOT_SAID = ("implied", "soft_opt_in")
"""Classes of consent that nobody gave in words."""

STRONGER = ("bounced", "complained", "unsubscribed")
REACHED = ("answered", "voicemail", "declined", "no_answer")
"""Outcomes of a call that rang where it was meant to."""

SAID = ("complained", "unsubscribed")
"""Reasons that are a person's own words: they hold for the person and for the address."""


def event(turn: Turn, cause: Event, run: Run | None) -> None:
    """Apply an event: to the run and step that its send key names, else to every live run of the contact."""
    meaning = EVENTS.get(cause.name, PLAIN)
    if cause.send_key and run is None and not (meaning.suppresses and cause.contact):
        # An opt-out is the person's, whether or not the send that it names is known here.
        turn.refuse("event", "unknown_send", detail={"event": cause.name})
        return
    if run is None and not turn.contact.contact:
        turn.refuse("event", "unknown_contact", detail={"event": cause.name})
        return
    _suppress(turn, cause, meaning)
    _lift_own(turn, meaning)
    if run is not None:
        _event_of_send(turn, cause, meaning, run)
    else:
        _event_of_contact(turn, cause, meaning)
    recheck(turn)


def _event_of_contact(turn: Turn, cause: Event, meaning: EventMeaning) -> None:
    """Nobody knows about which send: every live run has seen it, and none of their steps."""
    kind: dict[str, object] = {"kind": cause.kind} if cause.kind else {}
    runs = live_runs(turn)
    if meaning.happening:
        _touch_contact(turn, meaning.happening)
    _tally(turn, cause.name, None)
    for run in runs:
        counted = _count(turn, turn.record(run, "event", cause.name, kind), cause.name)
        _remember(turn, counted, WHOLE_RUN, 0, _word(cause, meaning))
    if not runs:
        turn.record_contact("event", cause.name, {**kind, "runs": 0})


def _event_of_send(turn: Turn, cause: Event, meaning: EventMeaning, run: Run) -> None:
    attempt = turn.about()
    step, visit = (run.step, run.visit) if attempt is None else (attempt.step, attempt.visit)
    detail: dict[str, object] = {"about": step, "about_visit": visit}
    if cause.kind:
        detail["kind"] = cause.kind
    extra = {} if attempt is None else settle_late(turn, attempt, cause.cost_micros)
    word = _word(cause, meaning)
    if attempt is not None:
        if meaning.happening:
            touch(turn, run, meaning.happening, attempt)
        _tally_once(turn, cause.name, run, attempt)
    run = turn.record(run, "event", cause.name, detail, extra=extra or None)
    run = _count(turn, run, cause.name)
    run = _remember(turn, run, step, visit, word)
    attempt = turn.about()
    if attempt is not None:
        _settle(turn, cause, meaning, run, attempt)


def _settle(turn: Turn, cause: Event, meaning: EventMeaning, run: Run, attempt: Attempt) -> None:
    """What the event proves about the attempt. What is open about a call is its outcome; no other news settles it."""
    no_outcome = attempt.channel == "voice" and attempt.state != "DISPATCHING" and not meaning.call_outcome
    if meaning.channel != attempt.channel or no_outcome:
        return
    match attempt.state:
        case "UNKNOWN" if meaning.confirms:
            confirm(turn, run, attempt, outcome=meaning.call_outcome, cost_micros=cause.cost_micros)
        case "DISPATCHING" | "ONGOING" if meaning.call_outcome:
            call_outcome(turn, run, attempt, meaning.call_outcome, cause.cost_micros)
        case "DISPATCHING" if meaning.confirms and not attempt.resends:
            turn.put_attempt(replace(attempt, taken=True))
        case "REJECTED" | "NOT_SENT" | "ABANDONED" if meaning.word or meaning.call_outcome in REACHED:
            # What was settled stays; but it has reached the person, and for the caps that counts.
            told = len(turn.entries) - 1  # the event's own entry; no other follows
            outcome_known(turn, run, attempt, meaning.call_outcome or "accepted", entry=told)
        case _:
            pass


def _touch_contact(turn: Turn, what: str) -> None:
    """Note a happening for the caps when it is not known which run it is about: it may be any."""
    contact = turn.contact.contact
    turn.touches.append(Touch(contact=contact, tick=turn.tick, attempt_no=0, what=what, entry=len(turn.entries)))


def _tally_once(turn: Turn, event: str, run: Run, attempt: Attempt) -> None:
    """Count an event of a send once, however often and of whichever of its attempts it is told."""
    attempt = turn.about() or attempt
    if event in TALLIED and event not in attempt.tallied:
        turn.put_attempt(replace(attempt, tallied=(*attempt.tallied, event)))
        _tally(turn, event, run)


def _tally(turn: Turn, event: str, run: Run | None) -> None:
    """Count what ratios are made of: for the file, and for the plan if it is known."""
    if event not in TALLIED:
        return
    day = turn.tick // DAY_S
    for plan in ("", *(() if run is None else (run.plan,))):
        name, bucket = tally(event, plan, day)
        turn.counters.append(CounterChange(name=name, bucket=bucket, settled=1))


def _word(cause: Event, meaning: EventMeaning) -> str:
    """The word that conditions look for. A bounce of any other kind than soft is a hard one: the worse of the two."""
    return f"bounced:{_hardness(cause)}" if meaning.word == "bounced" else meaning.word


def _hardness(cause: Event) -> str:
    return "soft" if cause.kind == "soft" else "hard"


def _count(turn: Turn, run: Run, name: str) -> Run:
    """Count an event that some condition of the plan asks about; other names would only let the run grow without end."""
    if name not in turn.plan_of(run).counted:
        return run
    return turn.put(replace(run, counts={**run.counts, name: run.counts.get(name, 0) + 1}))


def _remember(turn: Turn, run: Run, step: str, visit: int, word: str) -> Run:
    return turn.put(remember_word(run, step, visit, word)) if word else run


def _suppress(turn: Turn, cause: Event, meaning: EventMeaning) -> None:
    """An opt-out, a complaint and a dead address suppress on that channel, whatever the plan says.

    A dead address is the address's own. What a person has said concerns the person and the address: it holds for a new
    address of the same contact, and for whoever has the address later. A rule may let it reach every channel.
    """
    reason = meaning.suppresses
    if meaning.word == "bounced" and _hardness(cause) == "hard":
        reason = "bounced"
    if not reason or meaning.channel is None:
        return
    attempt = turn.about()
    kind = ADDRESS_OF[meaning.channel]
    address = turn.contact.tokens.get(kind, "") if attempt is None or not attempt.to else attempt.to
    subjects = (address,) if reason == "bounced" and address else (turn.contact.contact, address)
    scope = _reach(turn, meaning.channel) if reason != "bounced" else f"channel:{meaning.channel}"
    added = False
    for subject in subjects:
        there = [one.reason for one in turn.contact.suppressions if (one.subject, one.scope) == (subject, scope)]
        if subject and not (there and _strength(there[0]) >= _strength(reason)):
            _add_suppression(turn, Suppression(subject=subject, scope=scope, reason=reason, entry=len(turn.entries)))
            added = True
    if added:
        turn.record_contact("suppress", "added", {"scope": scope, "reason": reason})


def _lift_own(turn: Turn, meaning: EventMeaning) -> None:
    """End the opt-out of the channel that the contact itself made, and nothing else.

    A complaint, what an operator did, and an opt-out from everything stay: a word on one channel does not open the others.
    The entry names what still stands in the channel's way. A word from an address that the contact has no more is a
    stranger's.
    """
    if not meaning.lifts or meaning.channel is None:
        return
    attempt = turn.about()
    if attempt is not None and attempt.to and attempt.to != turn.contact.tokens.get(ADDRESS_OF[meaning.channel]):
        return
    scope = f"channel:{meaning.channel}"
    lifted = [one for one in turn.contact.suppressions if (one.scope, one.reason) == (scope, meaning.lifts)]
    if not lifted:
        return
    rest = tuple(one for one in turn.contact.suppressions if one not in lifted)
    turn.contact = replace(turn.contact, suppressions=rest)
    turn.lift.extend((one.subject, one.scope) for one in lifted)
    left = list(dict.fromkeys(one.scope for one in rest if one.scope in ("*", scope)))
    detail: dict[str, object] = {"scope": scope, "reason": meaning.lifts, "by": "contact"}
    turn.record_contact("suppress", "lifted", {**detail, "left": left} if left else detail)


def _reach(turn: Turn, channel: Channel) -> str:
    """How far an opt-out reaches: everything, if a rule in force for the contact says so, else its channel."""
    places = places_of(turn.contact)
    for rule in turn.snapshot.opt_out_rules:
        wide = rule.reach == "everything" and (not rule.channels or channel in rule.channels)
        if wide and concerns(rule, places) and _in_force(rule, turn, places):
            return "*"
    return f"channel:{channel}"


def _in_force(rule: SuppressionRule, turn: Turn, places: Places) -> bool:
    """Where a date cannot be told, the rule is taken to be in force: the wider reach is the safe one."""
    try:
        return Rulebook((rule,)).in_force(rule, turn.zones, places, turn.tick)
    except (UnknownZone, OutOfRange):
        return True


def _strength(reason: str) -> int:
    """What a person said outranks what a mail server or an operator did: conditions read the reason."""
    return STRONGER.index(reason) if reason in STRONGER else -1


def _add_suppression(turn: Turn, added: Suppression) -> None:
    """One suppression for each subject and scope: a new one takes the place of the old one."""
    turn.suppress.append(added)
    others = (one for one in turn.contact.suppressions if (one.subject, one.scope) != (added.subject, added.scope))
    turn.contact = replace(turn.contact, suppressions=(*others, added))


def live_runs(turn: Turn) -> list[Run]:
    """Return the contact's live runs in the order of their numbers."""
    return [turn.runs[no] for no in sorted(turn.runs) if turn.runs[no].status not in ENDED]


def recheck(turn: Turn) -> None:
    """After an input about the contact: ask the exits of every live run, then the waits. A FAILED run waits for a person."""
    for run in live_runs(turn):
        if run.status == "FAILED":
            continue
        if exit_met(turn, run) is None:
            recheck_wait(turn, turn.runs[run.no])


# ---- the contact itself ----


def contact_put(turn: Turn, cause: ContactPut) -> None:
    """Add or change a contact. Its new attributes and facts count from this tick on, for every live run.

    An address belongs to one contact: two would get everything twice, and an opt-out of one would not stop the other.
    """
    if turn.snapshot.taken_addresses:
        turn.refuse("contact", "address_taken", detail={"kinds": list(turn.snapshot.taken_addresses)})
        return
    known = turn.contact.known
    turn.contact = replace(
        turn.contact,
        contact=cause.contact,
        known=True,
        erased=False,
        attributes=dict(cause.attributes),
        facts=dict(cause.facts),
        tokens=dict(cause.tokens),
    )
    turn.contact_changed = True
    detail: dict[str, object] = {"attributes": dict(cause.attributes), "facts": dict(cause.facts)}
    turn.record_contact("contact", "changed" if known else "added", detail)
    recheck(turn)
    for run in live_runs(turn):
        hasten_wait(turn, run)


def contact_erase(turn: Turn, cause: ContactErase) -> None:
    """Forget the contact's data: live runs end, attributes and facts go; suppression and dedupe tokens stay.

    So do revocations. What was granted ends here: whoever comes back is asked again.
    """
    if not turn.contact.known:
        turn.refuse("erase", "unknown_contact")
        return
    for run in live_runs(turn):
        _end_erased(turn, run)
    _end_consents(turn)
    turn.contact = replace(turn.contact, erased=True, attributes={}, facts={})
    turn.contact_changed = True
    turn.erase = True
    turn.record_contact("erase", "pending", {"basis": cause.basis})


def _end_erased(turn: Turn, run: Run) -> None:
    attempt = turn.attempt_of(run)
    if attempt is not None and attempt.state in ("INTENDED", "PARKED"):
        turn.move_attempt(attempt, "cancel")
    due = run.due if attempt is not None and attempt.state == "ONGOING" else None
    run = turn.record(run, "cancel", "erased", {"status": "CANCELLED"}, contact_chain=True)
    turn.move(run, "cancel", "ended", due=due, reason="erased")


def _end_consents(turn: Turn, of: Channel | None = None) -> None:
    """End what was granted, on one channel or on all."""
    consents = dict(turn.contact.consents)
    for channel, purpose in sorted(consents):
        consent = consents[channel, purpose]
        if of in (None, channel) and consent.granted and (consent.expires is None or consent.expires > turn.tick):
            ended = replace(consent, expires=turn.tick, entry=len(turn.entries))
            consents[channel, purpose] = ended
            turn.consents.append((channel, purpose, ended))
    turn.contact = replace(turn.contact, consents=consents)


def consent_set(turn: Turn, cause: ConsentSet) -> None:
    """Grant or revoke consent; the gate relies on the entry written here."""
    if not turn.contact.known:
        turn.refuse("consent", "unknown_contact")
        return
    consent = Consent(
        granted=cause.granted,
        consent_class=cause.consent_class,
        expires=cause.expires,
        entry=len(turn.entries),
        basis=cause.basis,
        # A moment that has not come yet would let an implied consent last longer.
        obtained=turn.tick if cause.obtained is None else min(cause.obtained, turn.tick),
        to=turn.contact.tokens.get(ADDRESS_OF[cause.channel], ""),
    )
    if cause.granted and _changes_nothing(turn, cause, consent):
        told: dict[str, object] = {"channel": cause.channel, "purpose": cause.purpose, "class": cause.consent_class}
        turn.record_contact("consent", "kept", {**told, "source": cause.source}, extra=_evidence(cause))
        return
    consents = {**turn.contact.consents, (cause.channel, cause.purpose): consent}
    turn.contact = replace(turn.contact, consents=consents)
    turn.consents.append((cause.channel, cause.purpose, consent))
    if not cause.granted and cause.purpose == "*":
        _end_consents(turn, cause.channel)
    detail: dict[str, object] = {"channel": cause.channel, "purpose": cause.purpose, "source": cause.source}
    if cause.granted:
        detail["class"] = cause.consent_class
        if cause.expires is not None:
            detail["expires"] = cause.expires
        if cause.basis:
            detail["basis"] = cause.basis
        if cause.obtained is not None:
            detail["obtained"] = consent.obtained
    turn.record_contact("consent", "granted" if cause.granted else "revoked", detail, extra=_evidence(cause))
    recheck(turn)


def _changes_nothing(turn: Turn, cause: ConsentSet, new: Consent) -> bool:
    """Tell whether something stands against a grant: a stronger one, or a revocation that it does not undo.

    A revocation is undone by the person alone: not by what a purchase implies, nor by what was given before it.
    """
    consents = turn.contact.consents
    own = consents.get((cause.channel, cause.purpose))
    if own is not None and outweighs(own, new, turn.tick):
        return True
    revoked = [one for one in (own, consents.get((cause.channel, "*"))) if one is not None and not one.granted]
    earlier = cause.obtained is not None and any(new.obtained <= one.obtained for one in revoked)
    return bool(revoked) and (cause.consent_class in NOT_SAID or earlier)


def _evidence(cause: ConsentSet) -> dict[str, object] | None:
    return {"evidence": cause.evidence} if cause.evidence else None


def outweighs(there: Consent, new: Consent, tick: int) -> bool:
    """Tell whether a consent in force stands against a weaker one: a purchase does not undo what was given in writing."""
    if not there.granted or there.to != new.to or (there.expires is not None and there.expires <= tick):
        return False
    lasts = there.expires is None or (new.expires is not None and new.expires <= there.expires)
    return lasts and _weight(there.consent_class) > _weight(new.consent_class)


def _weight(consent_class: str) -> int:
    return CONSENT_CLASSES.index(consent_class) if consent_class in CONSENT_CLASSES else -1


def suppression_set(turn: Turn, cause: SuppressionSet) -> None:
    """Add or lift a suppression of a contact or of an address that no contact may have yet."""
    there = [one for one in turn.contact.suppressions if one.scope == cause.scope]
    detail: dict[str, object] = {"scope": cause.scope, "reason": cause.reason}
    if cause.since is not None:
        detail["since"] = cause.since
    if not cause.on:
        if not there:
            turn.refuse("suppress", "not_suppressed", detail=detail)
            return
        _lift(turn, cause.scope)
    else:
        for subject in _subjects(turn, cause):
            added = Suppression(subject=subject, scope=cause.scope, reason=cause.reason, entry=len(turn.entries))
            _add_suppression(turn, added)
    extra: dict[str, object] = {"subject": cause.subject}
    turn.record_contact("suppress", "added" if cause.on else "lifted", detail, extra=extra)
    recheck(turn)


def _subjects(turn: Turn, cause: SuppressionSet) -> list[str]:
    """Whom a suppression concerns: what is named; by a person's own words the person and its addresses in the scope too."""
    contact = turn.contact
    if cause.reason not in SAID or not contact.known:
        return [cause.subject]
    channels = [one for one in ADDRESS_OF if cause.scope in ("*", f"channel:{one}")]
    addresses = (contact.tokens.get(ADDRESS_OF[one], "") for one in channels)
    return [one for one in dict.fromkeys((cause.subject, contact.contact, *addresses)) if one]


def _lift(turn: Turn, scope: str) -> None:
    """Lift what stands in this scope, under whatever name of the contact: its id, or the token of one of its addresses."""
    lifted = [one for one in turn.contact.suppressions if one.scope == scope]
    rest = tuple(one for one in turn.contact.suppressions if one.scope != scope)
    turn.contact = replace(turn.contact, suppressions=rest)
    turn.lift.extend((one.subject, one.scope) for one in lifted)
