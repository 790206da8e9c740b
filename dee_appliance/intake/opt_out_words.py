"""Words by which people opt out of text messages, opt in again, and ask for help: a whole message that is one of them.

Lives here: the words, and reading a message as one. Does not live here: what follows from it (the kernel's neutral events).
Rules a change must keep: only a message that says nothing else is read as a word, since "please do not stop" is none; case,
accents, spaces and punctuation do not count; a word is never taken away, because somebody may have been told to use it. YES opts
nobody in: it answers too many other questions.

Sources: 47 CFR 64.1200(a)(10) (stop, quit, end, revoke, opt out, cancel, unsubscribe); CTIA Messaging Principles and Best
Practices and the short code handbooks of the carriers (STOP, END, CANCEL, UNSUBSCRIBE, QUIT; HELP, INFO; START, UNSTOP on
toll-free numbers); the Canadian short code guidelines of the CWTA (ARRET beside STOP); STOPALL, OPTOUT and REMOVE are what
messaging providers answer to as well. The law lets people opt out by any reasonable words: what is none of these is for a
person to read.
"""

from __future__ import annotations

import unicodedata
from typing import Final, Literal, TypeAlias

WordEvent: TypeAlias = Literal["sms.stop", "sms.start", "sms.help"]

WORDS: Final[dict[str, WordEvent]] = {
    "arret": "sms.stop",
    "cancel": "sms.stop",
    "end": "sms.stop",
    "optout": "sms.stop",
    "quit": "sms.stop",
    "remove": "sms.stop",
    "revoke": "sms.stop",
    "stop": "sms.stop",
    "stopall": "sms.stop",
    "unsubscribe": "sms.stop",
    "start": "sms.start",
    "unstop": "sms.start",
    "help": "sms.help",
    "info": "sms.help",
}
"""Each word as `event_of_words` sees it: letters and digits only, small, without accents."""

LONGEST: Final = 64
"""A longer message is not looked at: no word with all its punctuation is so long."""


def event_of_words(text: str) -> WordEvent | None:
    """Return the neutral event that a text message stands for, or None: "Stop!", " opt-out " and "ARRÊT" are sms.stop."""
    said = text.strip()
    if len(said) > LONGEST:
        return None
    plain = unicodedata.normalize("NFKD", said).casefold()
    return WORDS.get("".join(character for character in plain if character.isalnum()))
