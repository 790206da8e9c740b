"""Telling the file of something that happened outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from dee_appliance.engine import Engine

NAME_CHARACTERS = 100
NAME_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
KINDS = {"email.bounced": ("hard", "soft"), "email.unsubscribed": ("one_click",)}
SEND_KEY_CHARACTERS = 40


@command(acts=True)
@click.argument("name")
@click.option(
    "--contact", metavar="C", help="It is about this contact: an id, e-mail address, phone number or your key."
)
@click.option("--send", metavar="KEY", help="It is about this send: the send key, as in Message-ID and `dee run show`.")
@click.option("--kind", default="", help="For email.bounced: hard or soft; for email.unsubscribed: one_click.")
@click.option(
    "--text", default="", help="For sms.replied and email.replied: what the person wrote. Erased with the contact."
)
@click.option("--dedupe", metavar="TOKEN", help="A second event with the same token changes nothing.")
def add(
    session: Session, *, name: str, contact: str | None, send: str | None, kind: str, text: str, dedupe: str | None
) -> None:
    """Add an event: a reply, a bounce, an unsubscription, or one of your own.

    Runs that wait for it go on, exits that ask for it end their runs. Known names are those of the neutral table
    (email.replied, email.bounced, sms.stop, call.answered and so on); any other name is your own, and plans read it with event().
    A text message that says nothing but STOP (or CANCEL, END, QUIT, OPT OUT and so on) opts the person out at once. START
    takes that back for text messages; where a rule lets an opt-out reach everything, it stays until `dee suppress lift`.

    \b
    Example:
      dee event add email.replied --contact jane@example.com
      dee event add sms.replied --contact +12025550123 --text "Stop!"
      dee event add meeting.booked --contact C-1001
    """
    from dee_appliance.engine_people import REPLIES
    from dee_appliance.intake.opt_out_words import event_of_words
    from dee_appliance.kernel.e1.input import EVENTS

    if bool(contact) == bool(send):
        raise Usage("an event is about a contact or about a send", hint="give --contact or --send")
    if not name or len(name) > NAME_CHARACTERS or not NAME_ALPHABET.issuperset(name):
        raise Usage(f"`{name}` is no event name", hint="letters, digits, dots, dashes and underscores")
    family = name.partition(".")[0]
    if name not in EVENTS and family in {"email", "sms", "call"}:
        import difflib

        near = difflib.get_close_matches(name, EVENTS, n=1)
        hint = f"did you mean {near[0]}?" if near else "your own events need another first word"
        raise Usage(f"`{name}` is not one of the {family} events", hint=hint)
    if kind and kind not in KINDS.get(name, ()):
        kinds = "; ".join(f"{' or '.join(words)} for {event}" for event, words in KINDS.items())
        raise Usage(f"--kind is {kinds}", where="--kind")
    if text and name not in REPLIES:
        raise Usage(f"--text is for {' and '.join(REPLIES)}", where="--text")
    key = "" if send is None else _send_key(send)
    engine = session.engine()
    word = event_of_words(text) if name == "sms.replied" else None
    stranger = contact is not None and engine.is_stranger(contact, word or name)
    submitted = engine.add_event(name, contact=contact or "", send_key=key, kind=kind, text=text, dedupe=dedupe)
    known = [reply for reply in submitted.replies if reply.outcome == "duplicate"]
    if contact and not stranger and "sms.start" in (name, word):
        _say_what_stays(session, engine, contact)
    told = f"{name}: added" + (f", and {word}: the text says so" if word else "")
    if stranger:
        told = f"{word or name}: no contact of this file has {contact}; the address is suppressed for whoever will"
    session.done(
        engine,
        f"{name}: known already, nothing changed" if known else told,
        event=name,
        contact=contact,
        send=key or None,
        word=word,
        duplicate=bool(known),
    )


def _say_what_stays(session: Session, engine: Engine, contact: str) -> None:
    """START ends the opt-out from text messages alone: say so when something else still stops them."""
    if "sms" in engine.suppression(contact).channels:
        session.out.note(f"{contact} is still suppressed on sms; START ends an opt-out from text messages alone")
        session.out.note(f"next: dee suppress check {contact}, then dee suppress lift")


def _send_key(text: str) -> str:
    """Read a send key or the Message-ID that carries it. Nothing else gets into the log, which is never erased."""
    key = text.strip().removeprefix("<").partition("@")[0].lower()
    if len(key) != SEND_KEY_CHARACTERS or key.strip("0123456789abcdef"):
        raise Usage(f"`{text}` is no send key", where="--send", hint="40 hexadecimal digits, or a Message-ID of DEE")
    return key
