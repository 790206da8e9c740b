"""The entry of `dee`: the table of every command, loaded when it is asked for, and the exit codes.

A new command is a module here in cli/ and a row in COMMANDS; `dee --version` imports nothing but click.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

import click

from dee_appliance import __version__
from dee_appliance.cli import failure
from dee_appliance.cli.command import HELP, file_option
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

BROKEN_PIPE = 141
"""As a shell reports a program whose reader went away."""

Table = Mapping[str, "str | tuple[str, Table]"]
"""Name -> "module:attribute" below dee_appliance.cli, or (help, table) of a group. In the order of the help."""

COMMANDS: Table = {
    "demo": "demo:demo",
    "init": "file:init",
    "status": "status:status",
    "serve": "file:serve",
    "health": "health:health",
    "arm": "file:arm",
    "disarm": "file:disarm",
    "trial": "settings:trial",
    "snapshot": "file:snapshot",
    "upgrade": "upgrade:upgrade",
    "config": ("Settings that verdicts and messages read.", {"set": "settings:set_", "list": "settings:list_"}),
    "policy": (
        "The file's policy, and compliance packs beside it.",
        {
            "show": "policy:show",
            "set": "policy:set_",
            "report": "policy_report:report",
            "pack": (
                "Compliance packs: rules from one legal source.",
                {
                    "check": "pack:check",
                    "use": "pack:use",
                    "retire": "pack:retire",
                    "list": "pack:list_",
                    "show": "pack:show",
                    "diff": "pack:diff",
                },
            ),
        },
    ),
    "tz": ("The time-zone table that the file decides by.", {"show": "tz:show", "update": "tz:update"}),
    "budget": (
        "What the budgets have left, and what a send costs.",
        {"show": "budget:show", "estimate": "budget:estimate"},
    ),
    "plan": (
        "Plans: checked, tested, published, drawn, compared.",
        {
            "check": "plan:check",
            "publish": "plan:publish",
            "list": "plan:list_",
            "show": "plan:show",
            "graph": "plan:graph",
            "diff": "plan:diff",
            "test": "scenario:test",
            "schema": "plan:schema",
        },
    ),
    "template": (
        "Templates and call scripts.",
        {"check": "template:check", "preview": "template:preview"},
    ),
    "contact": (
        "People: imported, found, explained, given their data, erased.",
        {
            "import": "contact:import_",
            "find": "contact_read:find",
            "show": "contact_read:show",
            "timeline": "contact_read:timeline",
            "export": "contact_export:export",
            "erase": "contact:erase",
        },
    ),
    "consent": (
        "Consent of a contact for a channel and purpose.",
        {
            "grant": "permission:grant",
            "revoke": "permission:revoke",
            "import": "ledger_import:consent_import",
            "show": "contact_read:consent",
        },
    ),
    "suppress": (
        "Contacts and addresses that are never contacted.",
        {
            "add": "permission:suppress",
            "lift": "permission:lift",
            "import": "ledger_import:suppress_import",
            "check": "suppression:check",
            "list": "suppression:list_",
            "lists": "suppression:lists",
        },
    ),
    "fact": (
        "Facts that rules ask for: registrations, emergencies.",
        {"set": "fact:set_", "list": "fact:list_"},
    ),
    "simulate": "simulate:simulate",
    "enroll": "enroll:enroll",
    "run": (
        "Runs: one contact going through one plan.",
        {
            "list": "run_read:list_",
            "show": "run_read:show",
            "pause": "run_act:pause",
            "resume": "run_act:resume",
            "cancel": "run_act:cancel",
            "retry": "run_act:retry",
            "resolve": "run_act:resolve",
            "skip": "run_act:skip",
        },
    ),
    "task": ("Steps that a person does.", {"list": "task:list_", "done": "task:done"}),
    "event": ("Events from outside.", {"add": "event:add"}),
    "halt": "halt:halt",
    "release": "halt:release",
    "gate": "gate:gate",
    "why": "why:why",
    "log": "log:log",
    "verify": "verify:verify",
    "replay": "replay:replay",
    "debug": "debug:debug",
    "what-if": "what_if:what_if",
    "export": "export:export",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def __init__(self, table: Table, **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]  # click's own keywords
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the table."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, None for a name that is not in the table."""
        del ctx
        match self._table.get(cmd_name):
            case None:
                return None
            case str(place):
                module, _, attribute = place.partition(":")
                found = getattr(importlib.import_module(f"dee_appliance.cli.{module}"), attribute)
                assert isinstance(found, click.Command), place
                found.name = cmd_name
                return found
            case (text, table):
                return LazyGroup(table, name=cmd_name, help=text, context_settings=HELP)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command's help, whole."""
        rows = [
            (name, command.get_short_help_str(limit=200))
            for name in self._table
            if (command := self.get_command(ctx, name))
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest names."""
        if args and args[0] not in self._table and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self._table, n=2)
            meant = f": did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
            raise click.UsageError(f"there is no command `{args[0]}`{meant}", ctx)
        return super().resolve_command(ctx, args)


dee = LazyGroup(
    COMMANDS,
    name="dee",
    help="""DEE, a deterministic execution engine for outbound communication: one program, one SQLite file, provable sends.

    New here? Type `dee demo` in an empty folder: it makes a file, runs a plan to its end on a simulated clock and
    contacts nobody.

    Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 divergence, 4 integrity, 5 the file is newer.
    """,
    context_settings=HELP,
    params=[file_option()],
)
dee = click.version_option(__version__, prog_name="dee", message="dee %(version)s")(dee)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Prints every error; raises nothing but what DEE_DEBUG asks for."""
    as_json = "--json" in arguments
    try:
        _require_text(arguments)
        with dee.make_context("dee", list(arguments)) as context:
            dee.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        # The reader has seen enough. Python would complain about the unwritten rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except BaseException as error:  # noqa: BLE001 - the last line of defence: an error becomes text here or nowhere
        return failure.report(error, as_json=as_json)
    return failure.OK


def _require_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text: nothing in the file could hold them."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise Usage("an argument is not UTF-8", where=argument)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `dee` as a program."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by the caller: its number must not go to the next file that is opened, which may be the one file.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r+", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows an escape for it, and the command goes on.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if "_DEE_COMPLETE" in os.environ:
        dee.main(prog_name="dee")
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
