"""Everybody else: a process that keeps using a file while the loop that runs it is killed again and again.

    python crash_actor.py FILE ACKNOWLEDGED SEED

It appends webhook events, enrols, imports, halts and releases, pauses, cancels and retries, through the same API as anybody,
and writes one line to ACKNOWLEDGED (O_APPEND) for each thing that it was told is durable. It may be killed as well: what it was
not told, it does not claim.
"""

from __future__ import annotations

import os
import random  # noqa: TID251 - a seed tells the story
import sys
import tempfile
import threading
from pathlib import Path

from dee_appliance import Engine
from dee_appliance.engine import VerbName
from dee_appliance.errors import DeeError
from dee_appliance.kernel.e1.input import Event, encode_input
from dee_appliance.runtime.commands import Submitted
from dee_appliance.store.inbox import InboxRow, append_inbox

PLAN = "notes"
EVENTS = ("email.opened", "email.clicked", "email.replied", "invoice.paid")
VERBS: tuple[VerbName, ...] = ("pause", "resume", "resume", "cancel", "retry", "retry")
REST_S = 0.03


class Actor:
    """One process that uses the file."""

    def __init__(self, path: Path, acknowledged: Path, seed: int, engine: Engine | None = None) -> None:
        self._path = path
        self._engine = engine or Engine(path, actor="actor")
        self._random = random.Random(seed)
        self._log = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._mark = f"{os.getpid()}-{seed}"
        self._count = 0

    def close(self) -> None:
        """Go away."""
        os.close(self._log)

    def step(self) -> None:
        """Do one thing."""
        self._count += 1
        choice = self._random.random()
        if choice < 0.45:
            self.webhook()
        elif choice < 0.65:
            self._enroll()
        elif choice < 0.75:
            self._halt()
        elif choice < 0.90:
            self._operate()
        elif choice < 0.95:
            self._event()
        else:
            self._import()

    def _acknowledge(self, kind: str, *words: object) -> None:
        os.write(self._log, (" ".join([kind, *map(str, words)]) + "\n").encode())

    def _contacts(self) -> list[str]:
        with self._engine.view() as view:
            return view.contact_ids()

    def _submitted(self, what: Submitted) -> None:
        for reply in what.replies:
            self._acknowledge("reply", reply.inbox, reply.seq, reply.outcome)
        for inbox in what.queued:
            self._acknowledge("inbox", inbox)

    def webhook(self) -> None:
        """As a web server would: rows appended, and acknowledged when they are durable. Sometimes delivered twice."""
        contacts = self._contacts()
        tokens = [f"{self._mark}-{self._count}-{number}" for number in range(self._random.randint(1, 5))]
        rows = [
            InboxRow(
                source="webhook",
                dedupe=token,
                received=self._engine.now(),
                kind="event",
                payload=encode_input(Event(name=self._random.choice(EVENTS), contact=self._random.choice(contacts))),
            )
            for token in tokens
        ]
        for _ in range(1 + (self._random.random() < 0.2)):
            for inbox, token in zip(append_inbox(self._path, rows), tokens, strict=True):
                self._acknowledge("token", inbox, token)

    def _enroll(self) -> None:
        contacts = self._random.sample(self._contacts(), 3)
        batch = self._engine.enroll(PLAN, contacts)
        self._acknowledge("enrolled", batch.rows)

    def _halt(self) -> None:
        scope = self._random.choice(("*", "channel:email", f"plan:{PLAN}"))
        self._engine.halt(scope)
        self._acknowledge("halted", scope)
        self._engine.release(scope)
        self._acknowledge("released", scope)

    def _operate(self) -> None:
        with self._engine.view() as view:
            runs = [row[0] for row in view.database.execute("SELECT run FROM run ORDER BY run_no")]
        if not runs:
            return
        verb = self._random.choice(VERBS)
        batch = self._engine.operate(verb, self._random.sample(runs, min(5, len(runs))))
        self._acknowledge("operated", batch.rows)

    def _event(self) -> None:
        contact = self._random.choice(self._contacts())
        self._submitted(self._engine.add_event("invoice.paid", contact=contact, dedupe=f"{self._mark}-{self._count}"))

    def _import(self) -> None:
        name = f"{self._mark}-{self._count}"
        rows = "".join(f"New{number},{name}-{number}@example.org,{number % 3}\n" for number in range(5))
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write("first_name,email,attribute.tier:int\n" + rows)
            file.flush()
            self._engine.import_contacts(file.name)
        self._acknowledge("imported", name, 5)


def main(path: str, acknowledged: str, seed: str) -> None:
    """Use the file until killed."""
    actor = Actor(Path(path), Path(acknowledged), int(seed))
    rest = threading.Event()
    while True:
        try:
            actor.step()
        except DeeError as error:
            # A refusal is a word like any other; everything else ends this process with a traceback, and the test with it.
            sys.stdout.write(f"refused: {error}\n")
        rest.wait(REST_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
