"""Consent, and suppression: who may be contacted, and who never."""

from __future__ import annotations

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.halt import CHANNEL, scope_of, spoken_scope
from dee_appliance.errors import Usage

PURPOSE = click.Choice(["*", "marketing", "transactional", "collections", "regulatory"])
CLASSES = click.Choice(["express", "written", "implied", "soft_opt_in"])


def _word(text: str, where: str) -> str:
    """A code or a reference, such as form-2026-08-02: texts about people have no place in the log, which is never erased."""
    from dee_appliance.intake.codes import CODE_CHARACTERS, CODE_HINT, is_code

    if not is_code(text):
        raise Usage(
            f"a code of 1 to {CODE_CHARACTERS} characters, no free text: the log keeps it for ever",
            where=where,
            hint=CODE_HINT,
        )
    return text


@command(acts=True)
@click.argument("contact")
@click.option("--channel", type=CHANNEL, required=True)
@click.option("--purpose", type=PURPOSE, default="*", show_default=True, help="* is every purpose.")
@click.option(
    "--class", "consent_class", type=CLASSES, default="express", show_default=True, help="How the consent was given."
)
@click.option("--basis", default="", metavar="CODE", help="What an implied consent follows from, as in purchase.")
@click.option("--obtained", metavar="T", help="When it was given. [default: now]")
@click.option("--expires", metavar="T", help="From this moment on it does not count any more.")
@click.option(
    "--source", default="operator", show_default=True, help="Where the evidence is: a form, a letter, a recording."
)
@click.option(
    "--evidence",
    default="",
    metavar="TEXT",
    help="The evidence itself: words, a page, an IP address. Erased with the contact.",
)
def grant(
    session: Session,
    *,
    contact: str,
    channel: str,
    purpose: str,
    consent_class: str,
    basis: str,
    obtained: str | None,
    expires: str | None,
    source: str,
    evidence: str,
) -> None:
    """Record that a contact consents to be reached on a channel.

    CONTACT is an id, an e-mail address, a phone number or your own key. The log has channel, purpose, class, basis, times and
    source for ever, and a commitment to the evidence; the evidence itself is kept as personal data.

    \b
    Example:
      dee consent grant jane@example.com --channel voice --source form-2026-08-02
      dee consent grant C-1001 --channel email --class implied --basis purchase --obtained 2026-05-04
      dee consent grant C-1001 --channel sms --class written --evidence "ticked the box on /offers, 203.0.113.7"
    """
    from dee_appliance.cli.instant import parse_instant

    engine = session.engine()
    with session.view() as view:
        until = None if expires is None else parse_instant(expires, epoch=view.epoch, where="--expires")
        given = None if obtained is None else parse_instant(obtained, epoch=view.epoch, where="--obtained")
    counts = engine.set_consent(
        contact,
        channel,  # type: ignore[arg-type]  # CHANNEL holds the same words
        granted=True,
        purpose=purpose,
        consent_class=consent_class,
        basis=basis and _word(basis, "--basis"),
        obtained=given,
        expires=until,
        source=_word(source, "--source"),
        evidence=evidence,
    )
    if consent_class == "implied" and not basis:
        session.out.note("an implied consent without --basis counts for no rule that says how long each basis lasts")
    session.done(
        engine,
        f"consent granted: {contact}, {channel}, {_spoken(purpose)}",
        contact=contact,
        channel=channel,
        purpose=purpose,
        granted=True,
        expires=until,
        obtained=given,
        counts=counts,
    )
    if not counts and not engine.queued:
        reason = "a stronger one is in force, or the contact has revoked it since"
        session.out.note(f"it is recorded and changes nothing: {reason} (dee consent show {contact})")


@command(acts=True)
@click.argument("contact")
@click.option("--channel", type=CHANNEL, required=True)
@click.option("--purpose", type=PURPOSE, default="*", show_default=True, help="* is every purpose.")
@click.option("--source", default="operator", show_default=True, help="Where the evidence is.")
def revoke(session: Session, *, contact: str, channel: str, purpose: str, source: str) -> None:
    """Record that a contact does not consent, or not any more.

    \b
    Example:
      dee consent revoke jane@example.com --channel voice
    """
    engine = session.engine()
    engine.set_consent(
        contact,
        channel,  # type: ignore[arg-type]  # CHANNEL holds the same words
        granted=False,
        purpose=purpose,
        source=_word(source, "--source"),
    )
    session.done(
        engine,
        f"consent revoked: {contact}, {channel}, {_spoken(purpose)}",
        contact=contact,
        channel=channel,
        purpose=purpose,
        granted=False,
    )


def _spoken(purpose: str) -> str:
    return "every purpose" if purpose == "*" else purpose


@command(acts=True)
@click.argument("subject")
@click.option("--channel", type=CHANNEL, help="Only on this channel. [default: everywhere]")
@click.option("--plan", metavar="PLAN", help="Only for this plan. [default: everywhere]")
@click.option("--reason", default="operator", show_default=True, help="A short code, as in do_not_call.")
@click.option("--since", metavar="T", help="When the person asked for it. [default: now]")
def suppress(
    session: Session, *, subject: str, channel: str | None, plan: str | None, reason: str, since: str | None
) -> None:
    """Never contact somebody again: a contact, or an address that the file need not know.

    The address itself is not kept, only a keyed token of it; so it holds for later imports and after an erasure too. The reasons
    unsubscribed and complained are a person's own words: they hold for the person, known addresses and later ones alike.

    \b
    Example:
      dee suppress add jane@example.com
      dee suppress add +12025550123 --channel voice --reason do_not_call
    """
    from dee_appliance.cli.instant import parse_instant

    scope = scope_of(session, channel, plan)
    engine = session.engine()
    with session.view() as view:
        asked = None if since is None else parse_instant(since, epoch=view.epoch, where="--since")
    engine.suppress(subject, scope=scope, reason=_word(reason, "--reason"), since=asked)
    with session.view() as view:
        token = view.suppression_subject(subject)
        known = token.startswith("c_") or view.state.contact_of(token) is not None
    session.done(
        engine,
        f"suppressed: {subject} ({'everywhere' if scope == '*' else spoken_scope(scope)})",
        subject=subject,
        scope=scope,
        suppressed=True,
    )
    if not known:
        session.out.note("no contact of this file has it yet; it holds for whoever will")


@command(acts=True)
@click.argument("subject")
@click.option("--channel", type=CHANNEL, help="The suppression on this channel.")
@click.option("--plan", metavar="PLAN", help="The suppression for this plan.")
def lift(session: Session, *, subject: str, channel: str | None, plan: str | None) -> None:
    """Lift a suppression, of the same scope with which it was added.

    \b
    Example:
      dee suppress lift jane@example.com
    """
    scope = scope_of(session, channel, plan)
    engine = session.engine()
    engine.suppress(subject, on=False, scope=scope)
    session.done(
        engine,
        f"lifted: {subject} ({'everywhere' if scope == '*' else spoken_scope(scope)})",
        subject=subject,
        scope=scope,
        suppressed=False,
    )
