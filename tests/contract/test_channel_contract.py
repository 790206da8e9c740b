"""The contract of a channel adapter, asked of every adapter there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from channel_servers import answers, good_server, message, permit_of, submit

from dee_appliance.channels.interface import Adapter, Message
from dee_appliance.channels.registry import ADAPTERS, ChannelConfig, open_adapter
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.plan import Channel


class Bench(NamedTuple):
    """An adapter, a message for it, and what its provider has received (None where a provider keeps nothing)."""

    adapter: Adapter
    message: Callable[..., Message]
    received: Callable[[], int] | None


@pytest.fixture(params=["null", "sandbox", "sandbox-sms", "sandbox-voice", "smtp"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    name, _, kind = request.param.partition("-")
    channel: Channel = {"": "email", "sms": "sms", "voice": "voice"}[kind]  # type: ignore[assignment]
    if name == "smtp":
        with good_server() as (mailroom, port):
            config = ChannelConfig(
                adapter=name, concurrency=4, options={"host": "127.0.0.1", "port": port, "tls": "none"}
            )
            adapter = open_adapter(channel, config)
            yield Bench(adapter, message, lambda: len(mailroom.taken))
            adapter.close()
        return
    folder = tmp_path / "sent"
    options: dict[str, object] = {"folder": str(folder)} if name == "sandbox" else {}
    adapter = open_adapter(channel, ChannelConfig(adapter=name, options=options))
    received = None if name == "null" else lambda: len(list(folder.glob("*")))
    yield Bench(adapter, lambda number=1, **fields: message(number, channel=channel, **fields), received)
    adapter.close()


def received(bench: Bench, expected: int) -> bool:
    return bench.received is None or bench.received() == expected


def test_a_message_is_answered_once_and_the_provider_has_it_once(bench: Bench) -> None:
    submit(bench.adapter, bench.message(7))
    assert bench.adapter.in_flight() == 1
    (answered,) = answers(bench.adapter)
    assert (answered.send_key, answered.attempt) == (bench.message(7).send_key, 1)
    assert (answered.answer.outcome, answered.answer.kind, answered.answer.code) == ("accepted", "none", "accepted")
    assert received(bench, 1)


def test_many_messages_are_each_answered_once_and_received_once(bench: Bench) -> None:
    sent = [bench.message(number) for number in range(40)]
    submit(bench.adapter, *sent)
    assert bench.adapter.in_flight() == 40
    found = answers(bench.adapter)
    assert sorted(answered[:2] for answered in found) == [(one.send_key, 1) for one in sent]
    assert {answered.answer.outcome for answered in found} == {"accepted"}
    assert received(bench, 40)


def test_nothing_leaves_without_a_permit(bench: Bench) -> None:
    for no_permit in (None, object(), "permit", True):
        with pytest.raises(TypeError, match="only with a permit"):
            bench.adapter.submit(no_permit, bench.message())
    assert bench.adapter.poll(0) == []
    assert received(bench, 0)


@pytest.mark.parametrize("change", ["number", "attempt", "resends"])
def test_the_permit_of_another_attempt_is_no_permit(bench: Bench, change: str) -> None:
    with pytest.raises(ValueError, match="for another attempt"):
        bench.adapter.submit(permit_of(bench.message(1)), bench.message(**{"number": 1, change: 2}))
    assert bench.adapter.poll(0) == []
    assert received(bench, 0)


def test_one_attempt_cannot_be_in_flight_twice(bench: Bench) -> None:
    submit(bench.adapter, bench.message())
    with pytest.raises(ValueError, match="already in flight"):
        submit(bench.adapter, bench.message())
    assert len(answers(bench.adapter)) == 1
    assert received(bench, 1)


def test_a_poll_with_nothing_in_flight_returns_at_once(bench: Bench) -> None:
    assert bench.adapter.poll(3_600) == []


def test_closing_answers_what_is_in_flight_and_certain_means_that_nothing_was_sent(bench: Bench) -> None:
    submit(bench.adapter, *(bench.message(number) for number in range(10)))
    bench.adapter.close()
    found = bench.adapter.poll(0)
    assert len(found) == 10
    assert bench.adapter.in_flight() == 0
    certain = [answered for answered in found if answered.answer.outcome == "rejected"]
    assert {answered.answer.code for answered in certain} <= {"closed"}
    assert received(bench, 10 - len(certain))


def test_the_card_tells_the_truth_about_deduplication(bench: Bench) -> None:
    for _ in range(2):
        submit(bench.adapter, bench.message())
        answers(bench.adapter)
    assert received(bench, 1 if bench.adapter.card.deduplicates_s else 2)


def test_the_card_tells_the_truth_about_look_up(bench: Bench) -> None:
    card, sent = bench.adapter.card, bench.message()
    before = bench.adapter.look_up(sent.send_key, 1)
    submit(bench.adapter, sent)
    answers(bench.adapter)
    after = bench.adapter.look_up(sent.send_key, 1)
    if card.looks_up == "none":
        assert (before, after, card.absence_proof_after_s) == ("cannot_tell", "cannot_tell", None)
    else:
        assert (before, after, card.absence_proof_after_s) == ("absent", "found", 0)
        assert bench.adapter.look_up(sent.send_key, 2) == "absent"


def test_every_adapter_says_how_it_is_and_where_its_messages_go(bench: Bench) -> None:
    report = bench.adapter.health()
    assert report.ok, report
    assert report.peer == bench.adapter.peer() != ""
    assert bench.adapter.is_local()
    assert received(bench, 0)


# -- opening -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "config", "reason"),
    [
        ("email", ChannelConfig(adapter="pigeon"), "there is no adapter `pigeon`"),
        ("email", ChannelConfig(adapter="null", concurrency=0), "concurrency"),
        ("email", ChannelConfig(adapter="null", options={"x": 1}), "options of null"),
        ("email", ChannelConfig(adapter="sandbox"), "missing required field `folder`"),
        ("email", ChannelConfig(adapter="smtp", options={"host": "x", "tls": "maybe"}), "options of smtp"),
        ("email", ChannelConfig(adapter="smtp", options={"host": "x", "password": 5}), "options of smtp"),
        ("email", ChannelConfig(adapter="smtp", options={"host": "x", "password_file": "/no/such"}), "password file"),
        (
            "email",
            ChannelConfig(adapter="smtp", options={"host": "x", "ca_file": "/no/such"}),
            "certificate authorities",
        ),
        ("sms", ChannelConfig(adapter="smtp", options={"host": "x"}), "smtp sends e-mail only"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(channel: Channel, config: ChannelConfig, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        open_adapter(channel, config)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no-such-host.invalid"])
def test_a_simulated_file_cannot_use_a_peer_that_is_not_proved_to_be_local(host: str) -> None:
    config = ChannelConfig(adapter="smtp", local_only=True, options={"host": host})
    with pytest.raises(Refused, match="is not this machine"):
        open_adapter("email", config)


def test_a_secret_shows_in_no_repr_and_in_no_error() -> None:
    options: dict[str, object] = {"host": "127.0.0.1", "username": "dee", "password": "s3cret"}
    config = ChannelConfig(adapter="smtp", options=options)
    shown = [repr(config), repr(open_adapter("email", config)), open_adapter("email", config).peer()]
    with pytest.raises(Refused) as refused:
        open_adapter("email", ChannelConfig(adapter="smtp", options={**options, "port": "s3cret"}))
    assert not [text for text in [*shown, str(refused.value)] if "s3cret" in text]


def test_every_adapter_of_the_registry_is_under_this_contract() -> None:
    assert set(ADAPTERS) == {"null", "sandbox", "smtp"}
