"""Templates and call scripts: checked one by one, and seen as a contact would receive them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Refused, Usage

if TYPE_CHECKING:
    from dee_appliance.content.rendering import Prepared
    from dee_appliance.kernel.e1.plan import Channel, Plan
    from dee_appliance.runtime.reading import View

PATH = click.Path(path_type=Path)
ENDINGS: dict[str, Literal["email", "sms", "voice"]] = {".eml.j2": "email", ".sms.j2": "sms", ".toml": "voice"}


def _channel_of(path: Path) -> Literal["email", "sms", "voice"]:
    for ending, channel in ENDINGS.items():
        if path.name.endswith(ending):
            return channel
    raise Usage(
        "its name does not say what it is", where=str(path), hint="end it in .eml.j2, .sms.j2 or, for a call, .toml"
    )


@command(file=False)
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
def check(session: Session, *, files: tuple[Path, ...]) -> None:
    """Check templates (.eml.j2, .sms.j2) and call scripts (.toml), and list the fields that each needs.

    \b
    Example:
      dee template check templates/*.eml.j2 scripts/intro-call.toml
    """
    bad: list[Refused] = []
    for path in files:
        try:
            channel, _, needed = _read(path)
        except Refused as refused:
            bad.append(refused)
            session.out.record(
                {"file": str(path), "ok": False, "what": refused.what, "where": refused.where, "hint": refused.hint}
            )
            session.out.lines(str(refused))
            continue
        session.out.record({"file": str(path), "ok": True, "channel": channel, "fields": needed})
        session.out.line(f"{path}: sound, reads {', '.join(needed) or 'nothing'}")
    if bad:
        count = "1 file has" if len(bad) == 1 else f"{len(bad)} files have"
        raise Refused(f"{count} mistakes", hint="correct them and check again")


def _read(path: Path) -> tuple[Literal["email", "sms", "voice"], object, tuple[str, ...]]:
    """Return channel, document and needed fields of one file."""
    from dee_appliance.authoring.source import read_text
    from dee_appliance.content.script import parse_script, script_fields, script_to_document
    from dee_appliance.content.template import fields, parse_template, to_document

    channel, text, where = _channel_of(path), read_text(path), str(path)
    if channel == "voice":
        script = parse_script(path.name.removesuffix(".toml"), text, where=where)
        return channel, script_to_document(script), script_fields(script)
    template = parse_template(path.name.partition(".")[0], channel, text, where=where)
    return channel, to_document(template), fields(template)


@command()
@click.argument("template")
@click.option("--contact", required=True, metavar="C", help="An id, e-mail address, phone number or your own key.")
@click.option(
    "--plan", metavar="PLAN", help="The plan (NAME[@VERSION]) that has it. [default: whichever has one of that name]"
)
@click.option("--html", is_flag=True, help="Print the HTML part, as for a browser.")
@click.option("--var", "var", multiple=True, metavar="NAME=VALUE", help="A variable, as at enrolment; repeatable.")
def preview(
    session: Session, *, template: str, contact: str, plan: str | None, html: bool, var: tuple[str, ...]
) -> None:
    """Show what a contact would receive. Nothing is sent or recorded.

    TEMPLATE is a file, or the name of a template or call script in a published plan.

    \b
    Example:
      dee template preview intro --contact jane@example.com
      dee template preview templates/intro.eml.j2 --contact C-1001 --html > intro.html
    """
    from dee_appliance.cli.enroll import parse_variables
    from dee_appliance.runtime.enrolling import read_variables
    from dee_appliance.runtime.preview import preview as render

    given = parse_variables(var)
    with session.view() as view:
        channel, document, of_plan = _find(view, template, plan)
        variables: dict[str, bool | int | str] = {**given}
        if of_plan is not None:
            read = read_variables(of_plan, given, complete=False)
            variables = {**read.texts, **read.typed}
        prepared = render(
            view,
            channel=channel,
            document=document,
            contact=view.resolve_contact(contact),
            plan=of_plan,
            variables=variables,
        )
    _show(session, channel, prepared, html=html)


def _find(view: View, text: str, plan: str | None) -> tuple[Channel, object, Plan | None]:
    from dee_appliance.runtime.published import find_version

    of_plan = None if plan is None else view.state.plan(find_version(view, plan).digest).plan
    if any(text.endswith(ending) for ending in ENDINGS):
        channel, document, _ = _read(Path(text))
        return channel, document, of_plan
    return _published(view, text, of_plan)


def _published(view: View, name: str, wanted: Plan | None) -> tuple[Channel, object, Plan]:
    """Find a template or script by name: in one plan, or in the newest version of any that has it."""
    import msgspec

    from dee_appliance.runtime.published import plan_versions

    plans = [wanted]
    if wanted is None:
        newest = {one.plan: one.digest for one in plan_versions(view)}
        plans = [view.state.plan(digest).plan for digest in newest.values()]
    having = [plan for plan in plans if plan is not None and (name in plan.templates or name in plan.scripts)]
    if not having:
        raise Refused(f"no published plan has a template `{name}`", hint="dee plan show PLAN, or name a file")
    digests = {plan.templates.get(name) or plan.scripts[name] for plan in having}
    if len(digests) > 1:
        raise Usage(
            f"several plans have a template `{name}`", hint=f"--plan {' or '.join(plan.plan for plan in having)}"
        )
    document: object = msgspec.json.decode(view.state.documents.body(next(iter(digests))))
    if name in having[0].scripts:
        return "voice", document, having[0]
    sms = isinstance(document, dict) and document.get("channel") == "sms"
    return ("sms" if sms else "email"), document, having[0]


def _show(session: Session, channel: Channel, prepared: Prepared, *, html: bool) -> None:
    given = prepared.given
    shown: dict[str, object] = {"channel": channel, "to": prepared.to, "from": prepared.sender, "bytes": given.bytes}
    match channel:
        case "email":
            _show_email(session, prepared.body, shown, html=html)
        case "sms":
            session.out.record({**shown, "text": prepared.text, "segments": given.units})
            session.out.line(f"To: {prepared.to}   ({given.units} segments)")
            session.out.line()
            session.out.lines(prepared.text)
        case "voice":
            session.out.record({**shown, "script": prepared.script})
            session.out.line(f"To: {prepared.to}")
            for part in ("answered", "voicemail"):
                session.out.line()
                session.out.line(f"{part}:")
                _show_actions(session, prepared.script.get(part))


def _show_actions(session: Session, actions: object) -> None:
    for action in actions if isinstance(actions, list | tuple) else []:
        session.out.line(f"  {action['do']}  {action.get('text', '')}")


def _show_email(session: Session, body: bytes, shown: dict[str, object], *, html: bool) -> None:
    import email
    import email.policy

    message = email.message_from_bytes(body, policy=email.policy.default)
    parts = {
        part.get_content_subtype(): str(part.get_content()).replace("\r\n", "\n")
        for part in message.walk()
        if not part.is_multipart()
    }
    headers = {name: str(value) for name, value in message.items()}
    session.out.record({**shown, "headers": headers, "text": parts.get("plain", ""), "html": parts.get("html", "")})
    if html:
        if "html" not in parts:
            raise Refused("the template has no HTML part", hint="leave out --html")
        session.out.lines(parts["html"])
        return
    for name in ("From", "To", "Reply-To", "Subject", "List-Unsubscribe"):
        if name in headers:
            session.out.line(f"{name}: {headers[name]}")
    session.out.line()
    session.out.lines(parts.get("plain", ""))
    if "html" in parts:
        session.out.note("(there is an HTML part too: --html)")
