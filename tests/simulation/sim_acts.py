"""What people and operators do with a simulated appliance, through the public API, beside a loop or without one."""

from __future__ import annotations

import json
import random  # noqa: TID251 - each act has dice of its own
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import sim_documents as documents
from gate_documents import FACTS, LISTS
from sim_case import LAST_WORD

from dee_appliance.kernel.e1.input import ListAdd, ListUse
from dee_appliance.runtime.importing import ConsentGrant

if TYPE_CHECKING:
    from pathlib import Path

    from sim_world import World

    from dee_appliance.engine import VerbName

CHANNELS = ("email", "sms", "voice")
EVENTS = ("meeting", "visit", "visit", "email.replied", "contact.conversation", "call.abandoned")


class Acts:
    """Everybody who uses the file."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._versions: dict[str, int] = {}
        self._imports = 0
        self._addresses: dict[str, set[str]] = {}
        """Of those who were erased."""
        self.moved: dict[int, int] = {}
        self.plans = tuple(f"plan{number}" for number in range(world.case.plans))

    def perform(self, kind: str, dice: random.Random) -> None:
        """Do one thing."""
        table: dict[str, Callable[[random.Random], object]] = {
            "import": self._import,
            "import again": self._import_again,
            "enroll": self._enroll,
            "event": self._event,
            "consent": self._consent,
            "suppress": self._suppress,
            "lift": self._lift,
            "erase": self._erase,
            LAST_WORD: lambda one: self._world.last_words.append(lambda: self._say_no(one)),
            "halt": lambda one: self._engine.halt(self._scope(one)),
            "release": self._release,
            "task": self._task,
            "policy": lambda one: documents.set_policy(self._world, one),
            "plan": lambda one: self.publish(one.choice(self.plans), one),
            "pack": lambda one: documents.use_pack(self._world, one),
            "retire pack": lambda one: self._engine.retire_pack(one.choice(documents.PACKS)),
            "fact": lambda one: self._engine.set_fact(one.choice(FACTS), one.choice((True, True, False, None))),
            "zones": lambda one: documents.use_zones(self._world, one),
            "list": self._list,
            "resolve": self._resolve,
            "resend": self._resend,
        }
        act = table.get(kind)
        if act is None:
            self._verb(kind, dice)  # type: ignore[arg-type]
        else:
            act(dice)

    @property
    def _engine(self) -> Any:
        return self._world.engine

    # -- people --

    def contacts(self) -> list[str]:
        """Return the ids of all contacts."""
        with self._engine.view() as view:
            found: list[str] = view.contact_ids()
        return found

    def bring(self, people: tuple[int, ...], *, update: bool = False) -> None:
        """Import people, who have consented to everything."""
        if not people:
            return
        self._imports += 1
        file: Path = self._world.folder / f"import-{self._imports}.csv"
        lines = [documents.COLUMNS, *(documents.row_of(one, moved=self.moved.get(one, 0)) for one in people)]
        file.write_text("\n".join(lines) + "\n")
        numbers = _ids(people, self._imports)
        grants = tuple(ConsentGrant(channel=channel) for channel in CHANNELS)  # type: ignore[arg-type]
        self._engine.import_contacts(
            file,
            mapping=documents.MAPPING,
            update=update,
            allow_rejects=True,
            consents=grants,
            draw_id=lambda: f"c_{next(numbers):026d}",
        )

    def _import(self, dice: random.Random) -> None:
        first = 1_000 + 10 * dice.randrange(800)
        self.bring(tuple(range(first, first + dice.choice((1, 2, 5)))))

    def _import_again(self, dice: random.Random) -> None:
        """Some of the first people have moved."""
        people = tuple(dice.sample(self._world.case.people, min(2, len(self._world.case.people))))
        for one in people:
            self.moved[one] = self.moved.get(one, 0) + 1
            self._world.acknowledged.said_yes(f"c_{one:026d}")
        self.bring(people, update=True)

    def _enroll(self, dice: random.Random) -> None:
        there = self.contacts()
        chosen = dice.sample(there, min(len(there), dice.choice((1, 3, 8, 20))))
        if chosen:
            self._engine.enroll(dice.choice(self.plans), chosen)

    def _event(self, dice: random.Random) -> None:
        contact = self._someone(dice)
        token = f"own-{dice.randrange(2**40)}" if dice.random() < 0.5 else None
        for _ in range(1 + (token is not None and dice.random() < 0.3)):
            self._engine.add_event(dice.choice(EVENTS[:3]), contact=contact, dedupe=token)

    def _someone(self, dice: random.Random) -> str:
        return dice.choice(self.contacts() or [""])

    def _consent(self, dice: random.Random) -> None:
        granted = dice.random() < 0.6
        expires = self._engine.now() + dice.randrange(1, 20) * 86_400 if granted and dice.random() < 0.4 else None
        self._engine.set_consent(self._someone(dice), dice.choice(CHANNELS), granted=granted, expires=expires)

    def _suppress(self, dice: random.Random) -> None:
        contact = self._someone(dice)
        self._engine.suppress(contact, reason=dice.choice(("operator", "complained")))
        self._world.acknowledged.said_no(contact, "*")

    def _lift(self, dice: random.Random) -> None:
        contact = self._someone(dice)
        self._world.acknowledged.said_yes(contact)
        self._engine.suppress(contact, on=False, scope=dice.choice(("*", "channel:email", "channel:sms")))

    def _erase(self, dice: random.Random) -> None:
        self.erase(self._someone(dice))

    def erase(self, contact: str) -> None:
        """Erase somebody: what is said to be gone must be. Whoever is erased again is looked for by the addresses of then."""
        with self._engine.view() as view:
            profiles = view.database.execute(
                "SELECT value FROM vault WHERE contact = ? AND field = 'profile'", (contact,)
            )
        addresses = self._addresses.setdefault(contact, set())
        addresses.update(json.loads(value)["email"] for (value,) in profiles)
        done = self._engine.erase_contact(contact).state == "done"
        self._world.acknowledged.said_no(contact, "*")
        if done:
            self._world.watch.erased(addresses)

    def _say_no(self, dice: random.Random) -> None:
        """Those to whom the loop is about to send say no, each in a way of their own, behind others who say something."""
        with self._engine.view() as view:
            rows = view.database.execute(
                "SELECT contact FROM run JOIN timer USING (run_no) WHERE due <= ?"
                " UNION SELECT contact FROM attempt JOIN run USING (run_no) WHERE state = 'INTENDED' ORDER BY contact",
                (self._engine.now(),),
            )
        there = [contact for (contact,) in rows]
        for _ in range(dice.choice((0, 1, 1, 4))):
            self._event(dice)
        for contact in dice.sample(there, min(len(there), dice.choice((1, 2, 5)))):
            self._world.tally["last word"] += 1
            self._says_no(contact, dice)

    def _says_no(self, contact: str, dice: random.Random) -> None:
        how = dice.choice(("suppression", "complaint", "revocation", "erasure"))
        if how == "erasure":
            self.erase(contact)
        elif how == "revocation":
            for channel in CHANNELS:
                self._engine.set_consent(contact, channel, granted=False)
        elif how == "complaint":
            self._engine.add_event("email.unsubscribed", contact=contact)
            self._world.acknowledged.said_no(contact, "email")
        else:
            self._engine.suppress(contact)
            self._world.acknowledged.said_no(contact, "*")

    # -- operators --

    def publish(self, name: str, dice: random.Random) -> None:
        """Publish the next version of a plan."""
        self._versions[name] = self._versions.get(name, 0) + 1
        documents.publish(self._world, dice, name, self._versions[name])

    def _scope(self, dice: random.Random) -> str:
        return dice.choice(("*", "channel:email", "channel:voice", f"plan:{dice.choice(self.plans)}"))

    def _release(self, dice: random.Random) -> None:
        del dice
        self.release_all()

    def release_all(self) -> None:
        """Let go of everything that a person, or a doubt about the time, has halted."""
        with self._engine.view() as view:
            scopes = sorted(
                {hold.scope for hold in view.state.holds if hold.reason in ("halt", "clock_jumped", "long_outage")}
            )
        for scope in scopes:
            self._engine.release(scope)

    def runs(self, *statuses: str) -> list[str]:
        """Return the runs that have one of these statuses."""
        with self._engine.view() as view:
            rows = view.database.execute("SELECT run, status FROM run ORDER BY run_no")
        return [run for run, status in rows if status in statuses or not statuses]

    def _verb(self, verb: VerbName, dice: random.Random) -> None:
        wanted = {"retry": ("FAILED",), "resume": ("PAUSED", "HELD", "FAILED"), "skip": ("WAITING", "HELD", "FAILED")}
        live = ("ACTIVE", "WAITING", "HELD", "PENDING")
        there = self.runs(*wanted.get(verb, live)) if dice.random() < 0.9 else self.runs()
        if there:
            self._engine.operate(verb, dice.sample(there, min(len(there), dice.choice((1, 2, 6)))))

    def _task(self, dice: random.Random) -> None:
        with self._engine.view() as view:
            rows = view.database.execute('SELECT run FROM run WHERE body LIKE \'%"block":"task"%\' ORDER BY run_no')
        if rows:
            self._engine.finish_task(dice.choice(rows)[0], dice.choice(("yes", "no")))

    def _unknown(self) -> list[tuple[str, str, int]]:
        """Runs whose send has an unknown outcome, with its key and attempt."""
        with self._engine.view() as view:
            found: list[tuple[str, str, int]] = view.database.execute(
                "SELECT run, send_key, attempt FROM attempt JOIN run USING (run_no) WHERE state = 'UNKNOWN' ORDER BY attempt_no"
            )
        return found

    def _resolve(self, dice: random.Random) -> None:
        """Ask the provider, and say what is true; or give it up."""
        for run, send_key, attempt in self._unknown():
            if dice.random() < 0.7:
                true = "delivered" if self._world.provider.has(send_key, attempt) else "not-delivered"
                choice = true if dice.random() < 0.8 else "abandoned"
                self._engine.operate("resolve", [run], choice=choice)

    def _resend(self, dice: random.Random) -> None:
        """Send again on purpose, whatever the provider has."""
        there = self._unknown()
        if there:
            run, send_key, _ = dice.choice(there)
            self._world.resends[send_key] += 1
            self._engine.operate("resolve", [run], choice="resend")
            self._world.say(f"resend of {send_key[:8]}")

    def _list(self, dice: random.Random) -> None:
        """Load a suppression list with some address of somebody."""
        name, version = dice.choice(LISTS), dice.randrange(1, 10_000)
        with self._engine.view() as view:
            rows = view.database.execute("SELECT token FROM address ORDER BY token")
        tokens = tuple(sorted({row[0] for row in dice.sample(rows, min(3, len(rows)))}))
        use = ListUse(list=name, version=version, as_of=self._engine.now(), count=len(tokens))
        self._engine.submit(ListAdd(list=name, version=version, tokens=tokens), use)


def _ids(people: tuple[int, ...], imports: int) -> Any:
    yield from people
    yield from count(10_000_000 * imports)
