"""How a command is made: one decorator that gives every command the same options, and the Session that a command gets.

    @command()
    @click.argument("target", type=click.Path(path_type=Path))
    def snapshot(session: Session, target: Path) -> None:
        '''Make a consistent copy...'''

A command's docstring is its help; it ends with an example after a `\b` line. --db, --json and --actor may stand before or after
any other option; `--db` also before the command's name.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dee_appliance.cli.output import Output, Progress
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dee_appliance.engine import Engine
    from dee_appliance.runtime.reading import View

FILE, JSON, ACTOR = "dee.file", "dee.json", "dee.actor"
"""Where the common options stand in click's context, which outer and inner commands share."""
MAX_ACTOR_CHARACTERS = 64
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Session:
    """What a command knows of the world: the file, who acts, and where to print."""

    def __init__(self, context: click.Context) -> None:
        self._meta = context.meta
        self.out = Output(as_json=bool(self._meta.get(JSON)))

    @property
    def path(self) -> Path:
        """The file: --db, else DEE_DB, else where this user's programs keep their data."""
        from dee_appliance.runtime.config import default_file

        given: str | None = self._meta.get(FILE)
        return default_file() if given is None else Path(given)

    @property
    def actor(self) -> str:
        """Who acts, as it will be recorded. Raises Usage for a name that is too long or not printable."""
        named = self._meta.get(ACTOR) or os.environ.get("USER") or os.environ.get("LOGNAME") or "operator"
        if len(named) > MAX_ACTOR_CHARACTERS or not named.isprintable():
            raise Usage(f"--actor is a name of at most {MAX_ACTOR_CHARACTERS} printable characters", where="--actor")
        return str(named)

    def engine(self) -> Engine:
        """Return the engine of the file; nothing is opened yet."""
        from dee_appliance.engine import Engine

        return Engine(self.path, actor=self.actor)

    def view(self) -> View:
        """Open the file for reading: a context manager."""
        from dee_appliance.runtime.reading import open_view

        return open_view(self.path)

    def done(self, engine: Engine, text: str, **record: object) -> None:
        """Say what a verb did, or that a running loop has it queued."""
        self.out.record({**record, "queued": engine.queued})
        if engine.queued:
            ids = ", ".join(str(one) for one in engine.queued)
            self.out.line(f"queued as {ids}: the process that runs this file has not taken it yet, and will")
        else:
            self.out.line(text)

    def progress(self, label: str, total: int | None = None) -> Progress:
        """Return a progress line: a context manager to be called with how much is done."""
        return Progress(label, total)


def _keep(key: str) -> Callable[[click.Context, click.Parameter, object], None]:
    def keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
        del parameter
        if value not in (None, False):
            context.meta[key] = value

    return keep


def file_option() -> click.Option:
    """--db, as it stands at the top and at every command."""
    return click.Option(
        ["--db"],
        metavar="FILE",
        expose_value=False,
        callback=_keep(FILE),
        help="The one file. [default: DEE_DB, or dee.db in your data folder]",
    )


def _json_option() -> click.Option:
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_keep(JSON),
        help="Print JSON, one object a line.",
    )


def _actor_option() -> click.Option:
    return click.Option(
        ["--actor"],
        metavar="NAME",
        expose_value=False,
        callback=_keep(ACTOR),
        help="Who acts, for the log. [default: USER]",
    )


def command(
    name: str | None = None, *, file: bool = True, acts: bool = False
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command of a function whose first parameter is the Session.

    `file`: it works on the one file (--db); `acts`: it changes something, so it takes --actor.
    """
    common: Iterable[click.Option] = [
        *([_actor_option()] if acts else []),
        *([file_option()] if file else []),
        _json_option(),
    ]

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 - click knows what it passes
            function(Session(click.get_current_context()), *arguments, **options)

        made = click.command(name, context_settings=HELP)(call)
        made.params.extend(common)
        return made

    return decorate
