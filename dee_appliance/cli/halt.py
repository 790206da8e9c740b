"""Stopping everything at once, and letting it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Refused, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNEL = click.Choice(["email", "sms", "voice"])


def _scoped(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--plan", metavar="PLAN", help="Only this plan."),
        click.option("--channel", type=CHANNEL, help="Only this channel."),
    ):
        function = option(function)
    return function


def scope_of(session: Session, channel: str | None, plan: str | None) -> str:
    """Return the scope that the options name. Raises Usage for two of them, Refused for a plan that is not there."""
    if channel and plan:
        raise Usage("--channel or --plan, not both", hint="give the command twice")
    if plan:
        with session.view() as view:
            if view.state.plan_digest(plan, None) is None:
                raise Refused(f"there is no plan `{plan}`", where=str(session.path), hint="dee plan list")
        return f"plan:{plan}"
    return f"channel:{channel}" if channel else "*"


def spoken_scope(scope: str) -> str:
    """Return a scope in words."""
    return "everything" if scope == "*" else scope.replace(":", " ")


@command(acts=True)
@_scoped
def halt(session: Session, *, channel: str | None, plan: str | None) -> None:
    """Stop sending at once: everything, a channel or a plan. What a provider has already cannot be called back.

    \b
    Example:
      dee halt
      dee halt --channel voice
    """
    scope = scope_of(session, channel, plan)
    engine = session.engine()
    engine.halt(scope)
    session.done(
        engine,
        f"halted: {spoken_scope(scope)}. To go on: dee release{_options(channel, plan)}",
        scope=scope,
        halted=True,
    )


@command(acts=True)
@_scoped
def release(session: Session, *, channel: str | None, plan: str | None) -> None:
    """Let what was halted move again. Also confirms the clock after a jump or a long outage.

    \b
    Example:
      dee release
      dee release --plan sales-outreach
    """
    scope = scope_of(session, channel, plan)
    engine = session.engine()
    engine.release(scope)
    session.done(engine, f"released: {spoken_scope(scope)}", scope=scope, halted=False)


def _options(channel: str | None, plan: str | None) -> str:
    return f" --channel {channel}" if channel else f" --plan {plan}" if plan else ""
