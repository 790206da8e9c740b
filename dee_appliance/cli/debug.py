"""`dee debug`: one run, walked forward and backward, by hand or by a script."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import click

from dee_appliance.cli import failure
from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.cli.debug_commands import Prompt
    from dee_appliance.runtime.debugger import Debugger

PROMPT = "(dee) "


class Line(NamedTuple):
    """One command of a script, and where it stands."""

    text: str
    where: str


@command()
@click.argument("run")
@click.option("--do", metavar="COMMANDS", help="Commands, with `;` between them, instead of asking.")
@click.option(
    "--untrusted", is_flag=True, help="Somebody else made the file: look at a private copy, with every guard."
)
def debug(session: Session, *, run: str, do: str | None, untrusted: bool) -> None:
    """Walk one run forward and backward, input by input: what each decision saw, the verdict, the entries, what changed.

    The file is replayed once by the same kernel; it is not changed, and nothing is sent. On a terminal it asks for commands;
    `help` lists them. Otherwise it reads them from standard input, one a line; `#` begins a comment. Exit code 3 when the file
    does not replay.

    \b
    Example:
      dee debug run_c5ulcgq4ona6z6m7uauw
      dee debug run_c5ulcgq4ona6z6m7uauw --do "fail; show verdict; back; show snapshot"
    """
    from dee_appliance.cli.debug_commands import Prompt
    from dee_appliance.runtime.debugger import debug as walk

    with session.progress("inputs") as progress:
        debugger = walk(session.path, run, untrusted=untrusted, progress=progress)
    _open(session, debugger)
    if do is None and sys.stdin.isatty():
        _talk(session, Prompt(debugger))
    else:
        _follow(session, Prompt(debugger), _script(do))
    if debugger.divergence is not None:
        raise debugger.divergence


def _open(session: Session, debugger: Debugger) -> None:
    """Say what there is to walk through, and where it begins."""
    from dee_appliance.cli.debug_words import divergence_lines, where_lines

    stop, report = debugger.stop, debugger.report
    session.out.record({"command": "", "run": stop.run, "stop": stop.number, "of": len(debugger), "same": report.same})
    session.out.line(f"run {stop.run}: {len(debugger)} of {report.inputs:,} inputs touched it")
    lines = [] if report.divergence is None else [*divergence_lines(report.divergence)]
    for line in (*lines, *where_lines(debugger, stop)):
        session.out.line(line)


def _talk(session: Session, prompt: Prompt) -> None:
    """Ask for commands until there are no more."""
    with suppress(ImportError):
        import readline  # noqa: F401 - gives `input` a history and editing, where there is one
    session.out.line("`help` lists the commands")
    while True:
        try:
            text = input("" if session.out.as_json else PROMPT)
        except EOFError:
            session.out.line()
            return
        for part in text.split(";"):
            try:
                if not _do(session, prompt, part):
                    return
            except Refused as refused:
                failure.report(refused, as_json=session.out.as_json)


def _follow(session: Session, prompt: Prompt, script: Iterator[Line]) -> None:
    """Carry a script out. Raises Refused, with the place in the script, at the first command that cannot be carried out."""
    for line in script:
        try:
            if not _do(session, prompt, line.text):
                return
        except Refused as refused:
            raise type(refused)(refused.what, where=line.where, hint=refused.hint) from None


def _script(do: str | None) -> Iterator[Line]:
    if do is not None:
        for number, text in enumerate(do.replace("\n", ";").split(";"), start=1):
            yield Line(text, f"--do, command {number}")
        return
    for number, text in enumerate(sys.stdin, start=1):
        for part in text.partition("#")[0].split(";"):
            yield Line(part, f"line {number}")


def _do(session: Session, prompt: Prompt, text: str) -> bool:
    """Carry out one command and print what it gives; False after the last one."""
    answer = prompt.do(text)
    if answer is None:
        return True
    if not answer.last:
        session.out.record(answer.record)
    for line in answer.lines:
        session.out.line(line)
    return not answer.last
