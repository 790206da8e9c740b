"""Runs and attempts as rows of their tables, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from dee_appliance.kernel.e1.run import LIVE, Attempt, Consent, Run

Row = tuple[int | str | None, ...]
read_run = msgspec.json.Decoder(Run).decode
read_attempt = msgspec.json.Decoder(Attempt).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Queued(NamedTuple):
    """An intended send in the queue of its channel: since which tick, of which run, and its names."""

    ready: int
    run_no: int
    attempt_no: int
    send_key: str
    attempt: int


def read_consents(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], Consent]:
    """Return the consents of a contact by channel and purpose."""
    return {
        (channel, purpose): Consent(
            granted=bool(granted),
            consent_class=consent_class,
            expires=expires,
            entry=entry,
            basis=basis,
            obtained=obtained,
            to=to,
        )
        for channel, purpose, granted, consent_class, expires, entry, basis, obtained, to in rows
    }


def run_row(run: Run, tick: int) -> Row:
    """Return a new row of the table run."""
    live = int(run.status in LIVE)
    return (run.no, run.run, run.contact, run.plan, run.status, live, tick, _encode(run).decode())


def run_change(run: Run, tick: int) -> Row:
    """Return what changes in the row of a run, and its number."""
    return (run.status, int(run.status in LIVE), tick, _encode(run).decode(), run.no)


def attempt_row(attempt: Attempt) -> Row:
    """Return a new row of the table attempt."""
    one = attempt
    body = _encode(one).decode()
    return (one.no, one.send_key, one.attempt, one.run_no, one.channel, one.plan, one.state, one.ready, body)


def attempt_change(attempt: Attempt) -> Row:
    """Return what changes in the row of an attempt, and its number."""
    return (attempt.state, attempt.ready, _encode(attempt).decode(), attempt.no)
