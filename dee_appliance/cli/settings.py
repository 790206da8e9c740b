"""Settings that a verdict or a message can read, and trial mode.

What decides nothing (adapters, endpoints, credentials) is not in the file.
"""

from __future__ import annotations

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Usage

WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
LONGEST_NUMBER = 15
"""Digits; the file's integers go a little further."""
TYPES = {bool: "true or false", int: "a whole number", str: "text", list: "set by dee trial"}


@command(acts=True)
@click.argument("key")
@click.argument("value")
def set_(session: Session, *, key: str, value: str) -> None:
    """Change a setting from now on.

    \b
    Example:
      dee config set sender.email sales@yourdomain.example
    """
    from dee_appliance.kernel.e1.file_input import SETTINGS

    if key not in SETTINGS:
        import difflib

        near = difflib.get_close_matches(key, SETTINGS, n=1)
        raise Usage(f"there is no setting `{key}`", hint=f"did you mean {near[0]}?" if near else "dee config list")
    read = _read(key, value, SETTINGS[key])
    engine = session.engine()
    engine.set_setting(key, read)
    session.done(engine, f"{key} = {read}", key=key, value=read)


def _read(key: str, text: str, kind: type) -> bool | int | str:
    if kind is list:
        raise Usage(f"{key} holds keyed addresses", where=key, hint="dee trial on --guest you@yourdomain.example")
    if kind is bool and text.lower() in WORDS:
        return WORDS[text.lower()]
    if kind is int and text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
        return int(text)
    if kind is str:
        _check_text(key, text)
        return text
    raise Usage(f"`{text}` is not {TYPES[kind]}", where=key, hint="dee config list")


def _check_text(key: str, text: str) -> None:
    """What needs no state is refused before anything is appended."""
    if not text.isprintable():
        raise Usage("a setting is one line of printable text", where=key)
    if key == "simulation.assume":
        from dee_appliance.runtime.world import parse_shares

        parse_shares(text)
    if key == "sender.domain":
        _check_domain(text)
    if key in {"sender.email", "sender.unsubscribe"}:
        from dee_appliance.intake.addresses import normalise_email
        from dee_appliance.intake.invalid import InvalidValue

        try:
            normalise_email(text)
        except InvalidValue as problem:
            raise Usage(f"`{text}`: {problem.reason}", where=key) from None


def _check_domain(text: str) -> None:
    from dee_appliance.content.mime import message_id
    from dee_appliance.errors import Refused

    try:
        message_id("0", text)
    except Refused as problem:
        raise Usage(problem.what, where="sender.domain", hint=problem.hint) from None


@command()
def list_(session: Session) -> None:
    """List every setting, with its value if it was ever set.

    \b
    Example:
      dee config list
    """
    from dee_appliance.kernel.e1.file_input import SETTINGS

    with session.view() as view:
        values = dict(view.state.settings)
    rows = []
    for key in sorted(SETTINGS):
        value = values.get(key)
        shown = f"{len(value)} addresses" if isinstance(value, list) else "" if value is None else str(value)
        session.out.record({"key": key, "value": value, "set": key in values, "type": SETTINGS[key].__name__})
        rows.append((key, shown, TYPES[SETTINGS[key]]))
    session.out.table(("setting", "value", "takes"), rows)


@command(acts=True)
@click.argument("switch", type=click.Choice(["on", "off"]))
@click.option(
    "--guest", multiple=True, metavar="ADDRESS", help="An e-mail address or phone number that may be reached."
)
def trial(session: Session, *, switch: str, guest: tuple[str, ...]) -> None:
    """Trial mode: the real engine, but only the guests are reached. Everybody else's sends are held.

    \b
    Example:
      dee trial on --guest you@yourdomain.example --guest +12025550123
      dee trial off
    """
    on = switch == "on"
    if guest and not on:
        raise Usage("guests are for trial mode that is on", where="--guest", hint="dee trial off")
    engine = session.engine()
    engine.trial(on=on, guests=guest)
    with session.view() as view:
        there = view.state.settings.get("trial.guests", [])
    guests = len(there) if isinstance(there, list) else 0
    text = f"trial mode: only {guests} guest addresses are reached" if on else "trial mode is off"
    session.done(engine, text, trial=on, guests=guests)
    if on and not guests and not engine.queued:
        session.out.note("nobody is on the guest list, so nobody is reached: dee trial on --guest ADDRESS")
    if not on and not engine.queued and _held_by_trial(session):
        session.out.note("what it held is asked again with: dee run resume --reason not_a_guest --yes")


def _held_by_trial(session: Session) -> bool:
    from dee_appliance.runtime.reports_runs import RunFilter, select_runs

    with session.view() as view:
        return next(iter(select_runs(view, RunFilter(status="HELD", reason="not_a_guest", limit=1))), None) is not None
