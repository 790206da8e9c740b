"""The sandbox: the embedded default, a folder instead of a provider.

Lives here: writing each e-mail as `SEND_KEY-ATTEMPT.eml` and each call or SMS as `.json`, and answering by a scenario file (or
always accepting). A scenario is TOML; the first rule that matches decides:

    [[rule]]
    domain  = "bounce.example"   # or: to, channel, attempt, nth (the nth message this rule sees)
    answer  = "reject"           # accept | reject | unknown
    code    = "deferred"         # for reject: a code of `interface.REJECTED`; default recipient_refused
    # sent  = false              # for unknown: whether the message is written; default true
    # after_polls = 2            # the answer comes so many polls later
    # call  = "voicemail"        # for an accepted call: how it ended; default answered
    # cost_micros = 12000

Rules a change must keep:
- The file is the contact: it is on the disk, synced and under its final name, before the answer exists. So a crash in between
  leaves what a real provider would leave, a message that went out and an attempt nobody knows the outcome of.
- An existing file is never overwritten: a second contact for one attempt shows as `….again-2.eml`.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec

from dee_appliance.channels.interface import (
    REJECTED,
    Answer,
    Answered,
    CapabilityCard,
    Found,
    HealthReport,
    Message,
    accepted,
    rejected,
    require_permit,
    unknown,
)
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.plan import CallOutcome, Channel

_SAFE_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of a scenario; an empty condition always holds."""

    answer: Literal["accept", "reject", "unknown"]
    channel: Channel | None = None
    to: str = ""
    domain: str = ""
    attempt: int | None = None
    nth: int | None = None
    code: str = "recipient_refused"
    sent: bool = True
    after_polls: int = 0
    call: CallOutcome = "answered"
    cost_micros: int | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules, in order of precedence."""

    rule: tuple[Rule, ...] = ()


class SandboxOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`folder` receives the messages; `scenario` is the path of a scenario file; `fsync` is off only in measurements."""

    folder: str
    scenario: str = ""
    fsync: bool = True


ACCEPT: Final = Rule(answer="accept")


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises Refused with its name and the reason."""
    try:
        scenario = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Scenario, strict=True)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Refused(f"not a scenario: {error}", where=str(path)) from None
    for rule in scenario.rule:
        if rule.code not in REJECTED:
            raise Refused(
                f"unknown code `{rule.code}`", where=str(path), hint=f"codes are {', '.join(sorted(REJECTED))}"
            )
    return scenario


class SandboxAdapter:
    """Writes messages into a folder and answers by a scenario."""

    name = "sandbox"
    # A file is there before the answer and for as long as the folder is: looking is proof both ways, at once.
    card = CapabilityCard(looks_up="by_key", absence_proof_after_s=0)

    def __init__(self, channel: Channel, options: SandboxOptions) -> None:
        self._channel = channel
        self._folder = Path(options.folder)
        self._fsync = options.fsync
        self._rules = read_scenario(Path(options.scenario)).rule if options.scenario else ()
        self._matches = [0] * len(self._rules)
        self._queue: dict[tuple[str, int], Message] = {}
        self._delayed: list[tuple[int, Answered]] = []

    def submit(self, permit: object, message: Message) -> None:
        """Take a message. Raises TypeError or ValueError without the permit for it."""
        require_permit(permit, message)
        key = (message.send_key, message.attempt)
        if key in self._queue or any(answered[:2] == key for _, answered in self._delayed):
            raise ValueError("this attempt is already in flight")
        if _SAFE_KEY.fullmatch(message.send_key) is None:
            raise ValueError("the send key cannot be the name of a file")
        self._queue[key] = message

    def poll(self, timeout_s: float) -> list[Answered]:  # noqa: ARG002 - a disk does not keep one waiting
        """Write what was submitted and return the answers that are due."""
        delayed = self._delayed
        self._delayed = [(polls - 1, answered) for polls, answered in delayed if polls > 1]
        answers = [answered for polls, answered in delayed if polls <= 1]
        decided = [(message, self._rule_for(message)) for message in self._queue.values()]
        self._queue.clear()
        for (message, rule), answer in zip(decided, self._deliver(decided), strict=True):
            answered = Answered(message.send_key, message.attempt, answer)
            if rule.after_polls:
                self._delayed.append((rule.after_polls, answered))
            else:
                answers.append(answered)
        return answers

    def in_flight(self) -> int:
        """How many attempts were submitted and not yet answered."""
        return len(self._queue) + len(self._delayed)

    def look_up(self, send_key: str, attempt: int) -> Found:
        """Whether the message of this attempt lies in the folder."""
        if _SAFE_KEY.fullmatch(send_key) is None:
            return "cannot_tell"
        return "found" if self._path(send_key, attempt).exists() else "absent"

    def health(self) -> HealthReport:
        """See whether the folder can be written to, or be made."""
        try:
            there = next(one for one in (self._folder, *self._folder.absolute().parents) if one.exists())
        except OSError as error:
            return HealthReport(ok=False, code="not_written", peer=self.peer(), note=str(error))
        writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
        return HealthReport(ok=writable, code="ok" if writable else "not_written", peer=self.peer())

    def peer(self) -> str:
        """The folder."""
        return f"folder {self._folder}"

    def is_local(self) -> bool:
        """A folder is on this machine."""
        return True

    def close(self) -> None:
        """Answer what is in flight at the next poll: what was not written yet is not written any more."""
        self._delayed = [(1, answered) for _, answered in self._delayed]
        for send_key, attempt in self._queue:
            self._delayed.append((1, Answered(send_key, attempt, rejected("closed"))))
        self._queue.clear()

    def _rule_for(self, message: Message) -> Rule:
        for index, rule in enumerate(self._rules):
            if _matches(rule, message):
                self._matches[index] += 1
                if rule.nth in (None, self._matches[index]):
                    return rule
        return ACCEPT

    def _deliver(self, decided: list[tuple[Message, Rule]]) -> list[Answer]:
        """Write what is to be written, make all of it durable with one sync of the folder, and only then answer."""
        answers: list[Answer] = []
        written: list[int] = []
        for message, rule in decided:
            if rule.answer == "reject":
                answers.append(rejected(rule.code))
                continue
            if rule.answer == "accept" or rule.sent:
                try:
                    self._write(message)
                except OSError as error:
                    answers.append(rejected("not_written", note=str(error)))
                    continue
                written.append(len(answers))
            answers.append(_answer_of(rule, message))
        if written and not self._folder_synced():
            for index in written:
                answers[index] = unknown("not_confirmed")
        return answers

    def _write(self, message: Message) -> None:
        """Put the file under its final name. Raises OSError only when it is not there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(message.send_key, message.attempt)
        ordinal = 1
        while path.exists():
            ordinal += 1
            stem = f"{message.send_key}-{message.attempt}.again-{ordinal}"
            path = path.with_name(stem + path.suffix)
        temporary = path.with_name(path.name + ".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_content(message))
                file.flush()
                if self._fsync:
                    os.fsync(file.fileno())
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _folder_synced(self) -> bool:
        if not self._fsync:
            return True
        try:
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return True

    def _path(self, send_key: str, attempt: int) -> Path:
        return self._folder / f"{send_key}-{attempt}{'.eml' if self._channel == 'email' else '.json'}"


def _matches(rule: Rule, message: Message) -> bool:
    domain = message.to.rpartition("@")[2].casefold()
    return (
        rule.channel in (None, message.channel)
        and rule.attempt in (None, message.attempt)
        and (not rule.to or rule.to.casefold() == message.to.casefold())
        and (not rule.domain or rule.domain.casefold() == domain)
    )


def _answer_of(rule: Rule, message: Message) -> Answer:
    if rule.answer == "unknown":
        return unknown("no_reply")
    return accepted(
        provider_ref=f"sandbox-{message.send_key}-{message.attempt}",
        cost_micros=rule.cost_micros,
        call_outcome=rule.call if message.channel == "voice" else None,
    )


def _content(message: Message) -> bytes:
    if message.channel == "email":
        return message.body
    shown: dict[str, object] = {
        "attempt": message.attempt,
        "channel": message.channel,
        "resends": message.resends,
        "send_key": message.send_key,
        "sender": message.sender,
        "to": message.to,
        "valid_for_s": message.valid_for_s,
    }
    shown |= {"script": message.script} if message.channel == "voice" else {"text": message.text}
    return msgspec.json.format(msgspec.json.encode(shown, order="sorted"), indent=2) + b"\n"
