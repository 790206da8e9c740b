"""`dee contact export`: everything that the file has about one contact, for programs as JSON and for people as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.output import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dee_appliance.runtime.reports_contact_export import ContactExport
    from dee_appliance.runtime.reports_messages import ContactMessage
    from dee_appliance.runtime.reports_view import Instant

ONLY_OWNER = 0o600


@command()
@click.argument("contact")
@click.option(
    "--format", "form", type=click.Choice(["json", "md"]), default="json", show_default=True, help="How it is written."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file, for its owner only.")
def export(session: Session, *, contact: str, form: str, out: Path | None) -> None:
    """Write everything that the file has about a contact, as they may ask for it (GDPR article 15).

    Profile, attributes and derived facts; consents and suppressions with their history; plans they went through, step by step;
    messages with their text, made again and compared with the commitment in the log; events, tasks, purposes with the consent
    relied on. Each names its entry in the log. After an erasure it says what remains, and why.

    \b
    Example:
      dee contact export jane@example.com --out jane.json
      dee contact export jane@example.com --format md --out jane.md
    """
    import json

    import msgspec

    from dee_appliance.runtime.reports_contact_export import contact_export
    from dee_appliance.store.header import refuse_to_replace

    with session.view() as view:
        found = contact_export(view, contact)
    plain = msgspec.to_builtins(found)
    if out is not None:
        refuse_to_replace(out, session.path)
        text = "\n".join(markdown(found)) if form == "md" else json.dumps(plain, ensure_ascii=False, indent=2)
        out.touch(mode=ONLY_OWNER)
        out.write_text(text + "\n", encoding="utf-8")
        counts = {"runs": len(found.runs), "messages": len(found.messages)}
        session.out.record({"contact": found.contact.contact, "format": form, "file": str(out), **counts})
        session.out.line(f"wrote {len(found.runs)} runs and {len(found.messages)} messages of {contact} to {out}")
        return
    if form == "md":
        session.out.record({"contact": found.contact.contact, "format": form, "text": "\n".join(markdown(found))})
        for line in markdown(found):
            session.out.line(line)
        return
    session.out.record(plain)
    session.out.lines(json.dumps(plain, ensure_ascii=True, indent=2))


# ---- Markdown ----


def markdown(found: ContactExport) -> Iterator[str]:
    """Write an export for people, line by line."""
    yield f"# What is stored about {_text(found.contact.name or found.contact.contact)}"
    yield ""
    yield (
        f"As of {_moment(found.as_of)}. Contact {found.contact.contact} in file {found.lineage}, whose log had "
        f"{found.log_size:,} entries and ended with `{found.log_head}`. An `entry` is a position in that log."
    )
    yield from _person(found)
    yield from _permissions(found)
    yield from _table(
        "For what the data were used",
        ("purpose", "plans", "messages", "consents relied on (entries)", "without a rule that asks for consent"),
        (
            (
                one.purpose,
                ", ".join(one.plans),
                ", ".join(f"{count} {channel}" for channel, count in one.messages.items()) or "none",
                ", ".join(map(str, one.consents)),
                one.without_consent,
            )
            for one in found.purposes
        ),
    )
    yield from _messages(found)
    yield from _happened(found)
    yield from _ending(found)


def _person(found: ContactExport) -> Iterator[str]:
    contact = found.contact
    rows = [(field, contact.profile[field]) for field in sorted(contact.profile)]
    rows += [("your number with us", contact.key)] if contact.key else []
    yield from _table("Personal data", ("field", "value"), rows)
    yield from _table(
        "Attributes", ("name", "value"), ((name, contact.attributes[name]) for name in sorted(contact.attributes))
    )
    yield from _table(
        "Derived from the data", ("fact", "value"), ((name, _value(found.facts[name])) for name in found.facts)
    )
    yield from _table(
        "As it was recorded, and changed",
        ("when", "what", "attributes", "derived", "entry"),
        ((_moment(one.at), one.what, _value(one.attributes), _value(one.facts), one.entry) for one in found.changes),
    )
    yield from _table(
        "Earlier versions, and what the person wrote",
        ("since", "field", "value"),
        ((_moment(one.at), one.field, _value(one.value)) for one in found.earlier),
    )


def _permissions(found: ContactExport) -> Iterator[str]:
    yield from _table(
        "Consents",
        ("channel", "purpose", "given", "class", "until", "source", "entry"),
        (
            (
                one.channel,
                _purpose(one.purpose),
                "yes, in force" if one.in_force else "yes, ended" if one.granted else "revoked",
                one.consent_class,
                _moment(one.expires),
                one.source,
                one.entry,
            )
            for one in found.contact.consents
        ),
    )
    yield from _table(
        "History of consent",
        ("when", "what", "channel", "purpose", "class", "basis", "obtained", "source", "evidence", "entry"),
        (
            (
                _moment(one.at),
                one.outcome,
                one.channel,
                _purpose(one.purpose),
                one.consent_class,
                one.basis,
                _moment(one.obtained),
                one.source,
                "" if one.evidence is None else one.evidence.text or one.evidence.state,
                one.entry,
            )
            for one in found.consent_history
        ),
    )
    yield from _table(
        "Not to be contacted",
        ("what", "scope", "reason", "since", "entry"),
        ((one.kind, one.scope, one.reason, _moment(one.at), one.entry) for one in found.contact.suppressions),
    )
    yield from _table(
        "History of that",
        ("when", "what", "scope", "reason", "entry"),
        ((_moment(one.at), one.outcome, one.scope, one.reason, one.entry) for one in found.suppression_history),
    )


def _purpose(purpose: str) -> str:
    return "every purpose" if purpose == "*" else purpose


def _messages(found: ContactExport) -> Iterator[str]:
    if not found.messages:
        return
    yield from ("", f"## Messages ({len(found.messages)})")
    for one in found.messages:
        yield from _message(one)


def _message(one: ContactMessage) -> Iterator[str]:
    content = one.content
    subject = f": {_text(content.subject)}" if content.subject else ""
    yield from ("", f"### {_moment(one.handed_over)}, {one.channel}{subject}", "")
    outcome = "no answer yet" if one.outcome is None else f"{one.outcome.what} ({_moment(one.outcome.at)})"
    consent = "no rule asked for consent"
    if one.consent is not None:
        relied = one.consent
        consent = f"{relied.consent_class} consent of {relied.utc[:10]} from {relied.source}, entry {relied.entry}"
    yield f"- outcome: {_text(outcome)}"
    yield f"- for: {one.purpose}, plan {one.plan}, step {one.step}, template {_text(one.template)}"
    yield f"- on: {_text(consent)}"
    yield f"- entry {one.entry}, send `{one.send}`, attempt {one.attempt}, commitment `{one.commitment}`"
    for event in one.events:
        yield f"- {event.what} ({_moment(event.at)}), entry {event.entry}"
    for name in sorted(one.provider):
        yield f"- the provider's {name}: {_text(one.provider[name])}"
    if content.missing:
        yield f"- no text: {content.missing}"
        return
    yield f"- to: {_text(content.to)}"
    yield ""
    said = content.text or content.html or _value(content.script)
    fence = "`" * max(3, 1 + max(map(len, _ticks(said)), default=0))
    yield fence
    yield from (clean(line) for line in said.splitlines())
    yield fence


def _ticks(text: str) -> list[str]:
    """The runs of backticks in a text: a fence must be longer than any."""
    return "".join(one if one == "`" else " " for one in text).split()


def _happened(found: ContactExport) -> Iterator[str]:
    for run in found.runs:
        title = f" ({_text(run.title)})" if run.title else ""
        head = f"Plan {run.plan}{title}, {run.purpose}: {run.status} {run.reason}".rstrip()
        given = {**run.variables, **run.texts}
        yield from _table(
            head,
            ("when", "step", "what", "entry"),
            ((_moment(one.at), one.step, one.text, one.entry) for one in run.steps),
            f"Run {run.run}, begun {_moment(run.started)}." + (f" With {_text(_value(given))}." if given else ""),
        )
    yield from _table(
        "Plans that were not entered",
        ("when", "plan", "why", "entry"),
        ((_moment(one.at), one.plan, one.text, one.entry) for one in found.refused),
    )
    yield from _table(
        "Events",
        ("when", "event", "about", "entry"),
        (
            (_moment(one.at), f"{one.event} {one.kind}".rstrip(), one.about or one.run, one.entry)
            for one in found.events
        ),
    )
    yield from _table(
        "Tasks of our people",
        ("assigned", "step", "what", "outcome", "when"),
        (
            (_moment(one.assigned), one.step, one.instructions, one.outcome or "none yet", _moment(one.ended))
            for one in found.tasks
        ),
    )


def _ending(found: ContactExport) -> Iterator[str]:
    if found.waiting:
        yield from ("", f"{found.waiting} requests with data of this contact wait and are not in this account.")
    for at in found.erased:
        yield from ("", f"An erasure was made {_moment(at)}.")
    yield from _table(
        "What remains after the erasure, and why",
        ("what", "how many", "why"),
        ((one.what, one.count, one.why) for one in found.remains),
    )
    yield from ("", "## Not covered", "")
    yield from (f"- {one}" for one in found.not_covered)


def _table(head: str, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]], text: str = "") -> Iterator[str]:
    """A section with a table; nothing without rows."""
    lines = [f"| {' | '.join(_text(cell) for cell in row)} |" for row in rows]
    if not lines:
        return
    yield from ("", f"## {head}", "")
    if text:
        yield from (text, "")
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    yield from lines


def _value(value: object) -> str:
    """A value of JSON as people read it."""
    match value:
        case dict():
            return "; ".join(f"{name}: {_value(one)}" for name, one in value.items())
        case list():
            return ", ".join(map(_value, value)) or "none"
        case "":
            return "none"
        case _:
            return str(value)


def _text(value: object) -> str:
    """Data as one line of Markdown that means nothing but itself."""
    told = clean(value)
    for mark in "\\`*_[]<>|#":
        told = told.replace(mark, f"\\{mark}")
    return told


def _moment(at: Instant | None) -> str:
    from dee_appliance.cli.run_text import moment_text

    return "" if at is None else moment_text(at)
