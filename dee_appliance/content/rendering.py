"""From an attempt to the bytes that leave: one function for the pull, and for a replay that checks the renderer.

Everything it needs comes in one struct, so the same request gives the same bytes on any machine with the same renderer.
Personal data goes in and comes out here; the kernel is told only what `Given` holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from dee_appliance.content.features import features_of_call, features_of_email, features_of_sms
from dee_appliance.content.language import RenderFailed, Value, renderer
from dee_appliance.content.mime import build_message, message_id
from dee_appliance.content.script import render_script, script_from_document
from dee_appliance.content.sms import segments
from dee_appliance.content.template import from_document, render
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.input import Scalar
from dee_appliance.kernel.e1.run import Given

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.plan import Channel


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends, as set in the file.

    `unsubscribe` is the mailbox that takes opt-outs; `unsubscribe_url` the https address that takes one-click ones, where
    `{send}` stands for the key of the message; `postal_address` is looked for in what is sent.
    """

    name: str = ""
    email: str = ""
    phone: str = ""
    domain: str = ""
    unsubscribe: str = ""
    unsubscribe_url: str = ""
    postal_address: str = ""


class RenderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the bytes of one attempt. `document` is the decoded template or script.

    `looks` says whether the gate asks what the message has; `texts` must then be looked for word for word.
    """

    channel: Channel
    send_key: str
    attempt: int
    document: object
    digest: str
    marketing: bool
    date_tick: int
    sender: Sender
    contact: dict[str, Scalar]
    variables: dict[str, Scalar]
    plan: str
    run: str
    previous: str
    secret: bytes
    looks: bool = False
    texts: tuple[str, ...] = ()


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A message ready for an adapter, and what the kernel is told of it."""

    given: Given
    to: str = ""
    sender: str = ""
    body: bytes = b""
    text: str = ""
    script: dict[str, object] = {}


def prepare(request: RenderRequest) -> Prepared:
    """Render an attempt. A failure is a value too: the run fails with its closed code, nothing is sent."""
    to = request.contact.get("email" if request.channel == "email" else "phone")
    if not isinstance(to, str) or not to:
        # The gate denies for the missing address; there is nothing to render for it.
        return _prepared(request, b"", units=1)
    try:
        match request.channel:
            case "email":
                return _email(request, to)
            case "sms":
                return _sms(request, to)
            case "voice":
                return _call(request, to)
    except RenderFailed as failure:
        return _failed(request, failure.code, failure.field)
    except Refused:
        return _failed(request, "bad_header", "")


def _values(request: RenderRequest, unsubscribe_link: str) -> dict[str, Value]:
    return {
        "contact": {**request.contact},
        "sender": {"name": request.sender.name, "email": request.sender.email},
        "previous": {"step": request.previous},
        "run": {"id": request.run},
        "var": {**request.variables},
        "unsubscribe_link": unsubscribe_link,
        "plan": request.plan,
    }


def _email(request: RenderRequest, to: str) -> Prepared:
    sender = request.sender
    if request.marketing and not sender.unsubscribe:
        return _failed(request, "no_unsubscribe", "sender.unsubscribe")
    if not sender.email or not sender.domain:
        return _failed(request, "no_sender", "sender.email")
    mailto = f"mailto:{sender.unsubscribe}?subject={request.send_key}" if sender.unsubscribe else ""
    url = sender.unsubscribe_url.replace("{send}", request.send_key)
    rendered = render(from_document(request.document), _values(request, url or mailto))
    body = build_message(
        rendered,
        to=to,
        sender=f"{sender.name} <{sender.email}>" if sender.name else sender.email,
        message_id=message_id(request.send_key, sender.domain),
        date_tick=request.date_tick,
        unsubscribe_mailto=mailto if request.marketing else "",
        unsubscribe_url=url if request.marketing else "",
    )
    features: tuple[str, ...] = ()
    if request.looks:
        features = features_of_email(
            rendered,
            sender_name=sender.name,
            postal_address=sender.postal_address,
            unsubscribe_link=url or mailto,
            in_header=request.marketing and bool(url or mailto),
            one_click=bool(url),
            texts=request.texts,
        )
    return _prepared(request, body, units=1, to=to, sender=sender.email, body=body, features=features)


def _sms(request: RenderRequest, to: str) -> Prepared:
    rendered = render(from_document(request.document), _values(request, ""))
    text = rendered.text
    units = segments(text).count
    name = request.sender.name
    features = features_of_sms(rendered, sender_name=name, texts=request.texts) if request.looks else ()
    return _prepared(
        request, text.encode(), units=units, to=to, sender=request.sender.phone, text=text, features=features
    )


def _call(request: RenderRequest, to: str) -> Prepared:
    rendered = render_script(script_from_document(request.document), _values(request, ""))
    script: dict[str, object] = msgspec.to_builtins(rendered)
    encoded = msgspec.json.encode(script, order="sorted")
    name = request.sender.name
    features = features_of_call(rendered, sender_name=name, texts=request.texts) if request.looks else ()
    return _prepared(request, encoded, units=1, to=to, sender=request.sender.phone, script=script, features=features)


def _prepared(
    request: RenderRequest,
    content: bytes,
    *,
    units: int,
    to: str = "",
    sender: str = "",
    body: bytes = b"",
    text: str = "",
    script: dict[str, object] | None = None,
    features: tuple[str, ...] = (),
) -> Prepared:
    given = Given(
        code="ok",
        send_key=request.send_key,
        attempt=request.attempt,
        template=request.digest,
        renderer=renderer(),
        bytes=len(content),
        units=units,
        commitment=blake3(content, key=request.secret).hexdigest(),
        features=features,
    )
    return Prepared(given=given, to=to, sender=sender, body=body, text=text, script=script or {})


def _failed(request: RenderRequest, code: str, field: str) -> Prepared:
    given = Given(
        code=code,
        send_key=request.send_key,
        attempt=request.attempt,
        field=field,
        template=request.digest,
        renderer=renderer(),
    )
    return Prepared(given=given)
