"""What a contact would receive: a template or script rendered with real data, and nothing recorded or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.content.rendering import RenderRequest, prepare
from dee_appliance.errors import Refused
from dee_appliance.runtime.shell import sender_of

if TYPE_CHECKING:
    from dee_appliance.content.rendering import Prepared
    from dee_appliance.kernel.e1.input import Scalar
    from dee_appliance.kernel.e1.plan import Channel, Plan
    from dee_appliance.kernel.e1.rulebook import Rulebook
    from dee_appliance.runtime.reading import View

NO_SEND = "0" * 40
"""The send key of a preview: no send has it."""


def prepare_unsent(
    view: View,
    *,
    channel: Channel,
    document: object,
    contact: str,
    plan: Plan | None = None,
    variables: dict[str, Scalar] | None = None,
    book: Rulebook | None = None,
) -> Prepared:
    """Render a decoded template or script for a contact (by id); what keeps it from being rendered is a value.

    With `book` what its rules ask of a message is looked for.
    """
    known = view.state.contact(contact)
    return prepare(
        RenderRequest(
            channel=channel,
            send_key=NO_SEND,
            attempt=1,
            document=document,
            digest="",
            marketing=plan is not None and plan.purpose == "marketing",
            date_tick=view.last_tick,
            sender=sender_of(view.state.settings),
            contact={**known.attributes, **view.vault.profile(contact)},
            variables=variables or {},
            plan="" if plan is None else plan.plan,
            run="",
            previous="",
            secret=view.vault.secret(contact),
            looks=book is not None and book.reads_content,
            texts=() if book is None else book.texts,
        )
    )


def preview(
    view: View,
    *,
    channel: Channel,
    document: object,
    contact: str,
    plan: Plan | None = None,
    variables: dict[str, Scalar] | None = None,
) -> Prepared:
    """Render a decoded template or script for a contact (by id). Raises Refused, naming the field, when it cannot be rendered."""
    prepared = prepare_unsent(view, channel=channel, document=document, contact=contact, plan=plan, variables=variables)
    given = prepared.given
    if given.code != "ok":
        field = f": {given.field}" if given.field else ""
        raise Refused(f"it cannot be rendered for this contact: {given.code}{field}", hint="dee contact show CONTACT")
    if not prepared.to:
        raise Refused("the contact has no address for this channel", hint="dee contact show CONTACT")
    return prepared
