"""The one error tree, by who has to act.

    DeeError
    ├─ Refused         the caller must change the request; nothing was appended
    │  └─ Usage        the words of a command or call are off
    ├─ ChannelError    the provider did not take the message; becomes an answer, the run fails
    ├─ EvidenceError   the file contradicts itself: keep it, do not write to it
    │  └─ Divergence   a replay did not give the recorded entries
    └─ HostError       disk, lock or version: the operator of the machine must act
       └─ Newer        the file was written by a newer program: nothing was written, update this one

A policy refusal is a value (a verdict), never an exception. Only the dispatcher catches ChannelError; only the command line and
the web layer turn a DeeError into text and an exit code. Every message says what happened, where, and what to type next.
"""

from __future__ import annotations

from typing import ClassVar


class DeeError(Exception):
    """What happened (`what`), where (`where`: file:line, run or step) and what to do next (`hint`)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  next: {self.hint}" if self.hint else text


class Refused(DeeError):
    """The request was not accepted and nothing changed."""


class Usage(Refused):
    """The command or call was not understood."""

    exit_code = 2


class ChannelError(DeeError):
    """A provider did not confirm a send.

    `certain` is True only when it is sure that nothing was sent; otherwise the outcome is unknown and nothing is ever sent
    again without a person. `code` is one of the closed codes of the channel interface, `kind` says whether trying later can help.
    """

    def __init__(self, what: str, *, certain: bool, kind: str, code: str, where: str | None = None) -> None:
        super().__init__(what, where=where)
        self.certain = certain
        self.kind = kind
        self.code = code


class EvidenceError(DeeError):
    """The file contradicts itself; nothing is written to it any more."""

    exit_code = 4


class Divergence(EvidenceError):
    """A replay produced something else than what was recorded."""

    exit_code = 3


class HostError(DeeError):
    """The machine cannot serve the file: disk full, locked by another process, wrong version."""


class Newer(HostError):
    """The file is of a format, an epoch or a plan schema that this program does not have; nothing was written to it."""

    exit_code = 5
