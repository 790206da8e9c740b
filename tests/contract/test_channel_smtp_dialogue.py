"""The SMTP automaton by itself: whatever a server says and whenever it goes away, what is called certain is certain."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dee_appliance.channels.smtp_dialogue import (
    BeginTls,
    Close,
    Dialogue,
    Effect,
    Envelope,
    Phase,
    Session,
    Settled,
    Write,
    dot_stuffed,
    fault_of,
)

BODY = b"Subject: a\r\n\r\nHello\r\n"
ENVELOPE = Envelope(key="ab12", sender="max@example.com", to="ana@example.org", body=BODY)
DOT = Write(b".\r\n")

GOOD = (
    (b"220 a\r\n", b"EHLO h\r\n"),
    (b"250-a\r\n250-PIPELINING\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
    (b"220 go\r\n", None),
    (b"250-a\r\n250 AUTH LOGIN\r\n", b"AUTH LOGIN\r\n"),
    (b"334 VXNlcm5hbWU6\r\n", b"ZGVl\r\n"),
    (b"334 UGFzc3dvcmQ6\r\n", b"cmlnaHQ=\r\n"),
    (b"235 ok\r\n", b"MAIL FROM:<max@example.com>\r\n"),
    (b"250 ok\r\n", b"RCPT TO:<ana@example.org>\r\n"),
    (b"250 ok\r\n", b"DATA\r\n"),
    (b"354 go\r\n", BODY),
)


def started(tls: str = "none") -> Dialogue:
    session = Session(tls=tls, username="dee", password="right") if tls != "none" else Session(tls="none")  # type: ignore[arg-type]
    dialogue = Dialogue(session)
    dialogue.begin(ENVELOPE)
    dialogue.connected(helo="h", local=False)
    return dialogue


@given(cuts=st.lists(st.integers(1, 12), max_size=20))
def test_a_conversation_is_the_same_however_the_network_cuts_it(cuts: list[int]) -> None:
    dialogue = started("starttls")
    for said, written in GOOD:
        effects: list[Effect] = []
        rest = said
        for cut in cuts:
            piece, rest = rest[:cut], rest[cut:]
            effects += dialogue.receive(piece) if piece else []
        effects += dialogue.receive(rest) if rest else []
        if written is None:
            assert effects == [BeginTls()]
            assert dialogue.tls_established() == [Write(b"EHLO h\r\n")]
        else:
            assert effects == [Write(written)]
            assert dialogue.flushed() == ([DOT] if written == BODY else [])
    (settled,) = dialogue.receive(b"250-2.0.0 fine\r\n250 2.0.0 Ok: queued as A1\r\n")
    assert isinstance(settled, Settled)
    assert (settled.answer.outcome, settled.answer.provider_ref) == ("accepted", "A1")
    assert settled.answer.note == "250 2.0.0 fine\n250 2.0.0 Ok: queued as A1"
    assert dialogue.reusable


moves = st.one_of(
    st.sampled_from(
        [
            b"220 a\r\n",
            b"250 ok\r\n",
            b"250-a\r\n250 SIZE 99\r\n",
            b"354 go\r\n",
            b"235 ok\r\n",
            b"334 x\r\n",
            b"421 bye\r\n",
        ]
    ),
    st.sampled_from(
        [b"451 later\r\n", b"550 5.1.1 no\r\n", b"250-", b"25", b"0 ok\r\n", b"\r\n", b"garbage\r\n", b"2" * 9_999]
    ),
    st.sampled_from(["flushed", "lost", "timeout", "tls", "begin"]),
)


def step(dialogue: Dialogue, move: bytes | str) -> list[Effect]:
    """What happens next: bytes from the server, or the name of something the driver reports."""
    match move:
        case bytes():
            return dialogue.receive(move)
        case "begin":
            return dialogue.begin(ENVELOPE) if dialogue.reusable else []
        case "flushed":
            return dialogue.flushed()
        case "tls":
            return dialogue.tls_established() if dialogue.phase is Phase.TLS else []
        case _:
            return dialogue.lost("timeout" if move == "timeout" else "disconnected")


def assert_honest(settled: Settled, move: bytes | str, dots: int) -> None:
    """Without a dot nothing can have been sent; with one, only a reply parsed in full is certain."""
    answer = settled.answer
    if dots == 0:
        assert answer.outcome == "rejected"
    elif answer.outcome == "rejected":
        assert isinstance(move, bytes)
        assert answer.note[:1] in ("4", "5")
    elif answer.outcome == "accepted":
        assert answer.note.startswith("25")
    assert dots <= 1


HAPPY: tuple[bytes | str, ...] = (
    b"220 a\r\n",
    b"250 a\r\n",
    *(b"250 ok\r\n",) * 2,
    b"354 go\r\n",
    "flushed",
    b"250 ok\r\n",
)


@settings(max_examples=600)
@given(
    tls=st.sampled_from(["none", "none", "starttls", "implicit"]),
    good=st.integers(0, 14),
    sequence=st.lists(moves, max_size=25),
)
def test_no_server_can_make_the_automaton_lie(tls: str, good: int, sequence: list[bytes | str]) -> None:
    """Runs the start of two good conversations, then anything; checks each settled message against what had left before it."""
    dialogue = started(tls)
    begun, settled, dots = 1, 0, 0
    for move in [*(*HAPPY, "begin", *HAPPY[2:])[:good], *sequence]:
        ended = dialogue.phase is Phase.CLOSED
        if move == "begin" and dialogue.reusable:
            begun, dots = begun + 1, 0
        effects = step(dialogue, move)
        assert not (ended and effects)
        for effect in effects:
            dots += effect == DOT
            if isinstance(effect, Settled):
                settled += 1
                assert_honest(effect, move, dots)
        assert effects.count(Close()) == (dialogue.phase is Phase.CLOSED and not ended)
        assert settled == begun - (dialogue.envelope is not None)


@given(body=st.lists(st.sampled_from([b".", b"..", b".a", b"", b"x", b"\r\n"]), max_size=12).map(b"\r\n".join))
def test_a_stuffed_body_reads_back_and_never_holds_the_end(body: bytes) -> None:
    stuffed = dot_stuffed(body)
    assert b"\r\n.\r\n" not in stuffed
    assert not stuffed.startswith(b".\r\n")
    assert stuffed.endswith(b"\r\n")
    lines = stuffed.removesuffix(b"\r\n").split(b"\r\n")
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) == body.removesuffix(b"\r\n")


@given(body=st.text(st.sampled_from("a.\r\n"), min_size=1, max_size=20).map(str.encode))
def test_only_whole_line_ends_pass(body: bytes) -> None:
    bare = body.replace(b"\r\n", b"")
    fine = b"\r" not in bare and b"\n" not in bare
    envelope = Envelope(key="k", sender="", to="a@example.org", body=body)
    assert fault_of(envelope) == ("" if fine else "bad_content")


def test_a_password_is_not_said_in_the_open_except_to_this_machine() -> None:
    for local, expected in ((False, Phase.CLOSED), (True, Phase.AUTH)):
        dialogue = Dialogue(Session(tls="none", username="dee", password="right"))
        dialogue.connected(helo="h", local=local)
        dialogue.receive(b"220 a\r\n")
        effects = dialogue.receive(b"250-a\r\n250 AUTH PLAIN\r\n")
        assert dialogue.phase is expected
        assert bool([effect for effect in effects if isinstance(effect, Write)]) is local


def test_what_was_offered_before_encryption_counts_no_more() -> None:
    dialogue = Dialogue(Session(tls="starttls", username="dee", password="right"))
    dialogue.connected(helo="h", local=False)
    dialogue.receive(b"220 a\r\n")
    dialogue.receive(b"250-a\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
    dialogue.receive(b"220 go\r\n")
    dialogue.tls_established()
    (settled, close) = dialogue.receive(b"250 a\r\n")
    assert isinstance(settled, Settled)
    assert settled.answer.code == "auth_unavailable"
    assert close == Close()


def test_a_refusal_in_the_middle_of_the_body_ends_the_connection() -> None:
    dialogue = started()
    for said, _ in (GOOD[0], (b"250 a\r\n", b""), *GOOD[7:9], GOOD[9]):
        dialogue.receive(said)
    assert dialogue.phase is Phase.BODY
    settled, *rest = dialogue.receive(b"552 5.3.4 too large\r\n")
    assert isinstance(settled, Settled)
    assert settled.answer.code == "too_large"
    assert rest == [Close()]
    assert dialogue.flushed() == []


def test_a_session_never_shows_its_password() -> None:
    assert "right" not in repr(Session(tls="none", username="dee", password="right"))
