"""What a rendered message has of what the law asks for: looked for when it is made, reported to the gate as closed words.

The gate's content rules name these words, or texts that must stand in the message word for word. Nothing here decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.content.visible import seen_of
from dee_appliance.kernel.e1.rules.content import text_feature

if TYPE_CHECKING:
    from dee_appliance.content.script import RenderedScript
    from dee_appliance.content.template import Rendered

FEATURES: dict[str, str] = {
    "unsubscribe_header": "the header List-Unsubscribe (RFC 2369)",
    "one_click_unsubscribe": "List-Unsubscribe with an https address, and List-Unsubscribe-Post (RFC 8058)",
    "unsubscribe_link": "the unsubscribe link in every version of the text, to be seen or to be clicked on",
    "postal_address": "the postal address of the setting sender.postal_address, to be seen in every version of the text",
    "sender_identity": "the name of the setting sender.name: in From, or in the text of a message or call",
    "opt_out_words": "the word STOP, which stops text messages when it is answered",
}
"""Every word that a content rule can require, with what is looked for."""


def features_of_email(
    rendered: Rendered,
    *,
    sender_name: str,
    postal_address: str,
    unsubscribe_link: str,
    in_header: bool,
    one_click: bool,
    texts: tuple[str, ...],
) -> tuple[str, ...]:
    """Return what an e-mail has, sorted."""
    seen = seen_of(rendered.html)
    versions = [plain(rendered.text), *([plain(seen.text)] if rendered.html else [])]
    found = _texts_in(versions, texts)
    found["unsubscribe_header"] = in_header
    found["one_click_unsubscribe"] = in_header and one_click
    link = plain(unsubscribe_link)
    in_html = not rendered.html or link in plain(seen.text) or link in [plain(one) for one in seen.links]
    found["unsubscribe_link"] = bool(link) and link in plain(rendered.text) and in_html
    found["postal_address"] = bool(plain(postal_address)) and all(plain(postal_address) in one for one in versions)
    found["sender_identity"] = bool(sender_name or rendered.sender)
    return _names(found)


def features_of_sms(rendered: Rendered, *, sender_name: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a text message has, sorted."""
    text = plain(rendered.text)
    found = _texts_in([text], texts)
    found["sender_identity"] = bool(sender_name) and plain(sender_name) in text
    found["opt_out_words"] = "stop" in _words(text)
    return _names(found)


def features_of_call(script: RenderedScript, *, sender_name: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a call has, sorted: what is said must be said to a person and to a machine, if it says anything to it."""
    versions = [plain(" ".join(action.text for action in part)) for part in (script.answered, script.voicemail)]
    spoken = [one for one in versions if one]
    found = _texts_in(spoken, texts)
    found["sender_identity"] = bool(sender_name) and bool(spoken) and all(plain(sender_name) in one for one in spoken)
    return _names(found)


def plain(text: str) -> str:
    """Return a text as it is compared: without regard to case, line breaks and runs of spaces."""
    return " ".join(text.casefold().split())


def _words(text: str) -> list[str]:
    return "".join(character if character.isalnum() else " " for character in text).split()


def _texts_in(versions: list[str], texts: tuple[str, ...]) -> dict[str, bool]:
    return {text_feature(text): bool(versions) and all(plain(text) in one for one in versions) for text in texts}


def _names(found: dict[str, bool]) -> tuple[str, ...]:
    return tuple(sorted(name for name, there in found.items() if there))
