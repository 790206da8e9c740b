"""Text messages of one word: what opts out, what opts in, what asks for help, and what is for a person to read."""

from __future__ import annotations

import pytest

from dee_appliance.intake.opt_out_words import LONGEST, WORDS, event_of_words
from dee_appliance.kernel.e1.input import EVENTS


@pytest.mark.parametrize(
    "text",
    ["STOP", "stop", "Stop!", "  stop.  ", "“STOP”", "S.T.O.P", "stop all", "STOPALL", "Unsubscribe", "cancel", "End.", "QUIT!!",
     "revoke", "OPTOUT", "opt out", "Opt-Out", "ARRET", "Arrêt", "ARRE\u0302T", "remove", "ＳＴＯＰ", "STOP 🛑", "stop\n",
     "\u200bSTOP", "STOP" + " " * LONGEST],
)  # fmt: skip
def test_these_opt_out(text: str) -> None:
    assert event_of_words(text) == "sms.stop"


@pytest.mark.parametrize(
    ("text", "event"),
    [("START", "sms.start"), ("un-stop", "sms.start"), ("Unstop!", "sms.start"), ("help", "sms.help"), ("HELP?", "sms.help"),
     ("Info", "sms.help")],
)  # fmt: skip
def test_these_opt_in_again_or_ask_for_help(text: str, event: str) -> None:
    assert event_of_words(text) == event


@pytest.mark.parametrize(
    "text",
    ["", " ", "?", "YES", "yes", "Y", "no", "ok", "please stop", "stop please", "do not stop", "STOP 2", "stopped", "nonstop",
     "when does it end", "I need help", "help me", "the end", "stop" * 20, "停止", "STOP" + "!" * LONGEST],
)  # fmt: skip
def test_everything_else_is_for_a_person_to_read(text: str) -> None:
    assert event_of_words(text) is None


def test_every_word_stands_as_it_is_compared_and_names_an_event() -> None:
    assert all(word == word.casefold() and word.isalnum() and word.isascii() for word in WORDS)
    assert set(WORDS.values()) == {"sms.stop", "sms.start", "sms.help"} <= set(EVENTS)
