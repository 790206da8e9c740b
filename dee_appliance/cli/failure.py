"""Errors to text and exit codes. Nothing else in the program does either, and no command ever ends in a traceback.

Exit codes: 0 ok · 1 refused or failed · 2 usage · 3 divergence · 4 integrity · 5 newer · 130 interrupted
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.output import clean, json_line
from dee_appliance.errors import ChannelError, DeeError, Divergence, EvidenceError, HostError, Newer, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

OK, FAILED, USAGE, DIVERGENCE, INTEGRITY, INTERRUPTED = 0, 1, 2, 3, 4, 130
CODES: Mapping[type[DeeError], str] = {
    Usage: "usage",
    ChannelError: "channel",
    Divergence: "divergence",
    EvidenceError: "integrity",
    Newer: "newer",
    HostError: "host",
    DeeError: "refused",
}
"""The word for programs, by the first class that fits."""


def report(error: BaseException, *, as_json: bool) -> int:
    """Print an error on standard error and return the exit code. With DEE_DEBUG=1 an unexpected one is raised again."""
    match error:
        case DeeError():
            word = next(code for kind, code in CODES.items() if isinstance(error, kind))
            return _say(error.exit_code, word, error.what, error.where, error.hint, as_json=as_json)
        case click.exceptions.NoArgsIsHelpError():
            print(error.format_message(), file=sys.stderr)
            return USAGE
        case click.UsageError():
            return _usage(error, as_json=as_json)
        case click.ClickException():
            return _say(FAILED, "refused", error.format_message(), None, None, as_json=as_json)
        case KeyboardInterrupt() | click.Abort():
            return _say(INTERRUPTED, "interrupted", "interrupted", None, None, as_json=as_json)
        case OSError():
            what = (error.strerror or "the system refused it").lower()
            where = None if error.filename is None else os.fsdecode(error.filename)
            return _say(FAILED, "host", what, where, None, as_json=as_json)
        case _:
            return _unexpected(error, as_json=as_json)


EXTRA = re.compile(r"Got unexpected extra argument \((.+)\)")
"""Click's words for what most often is the file, named where some commands want it and others do not."""


def _usage(error: click.UsageError, *, as_json: bool) -> int:
    import shlex

    path = "dee" if error.ctx is None else error.ctx.command_path
    what = error.format_message().rstrip(".")
    extra = EXTRA.fullmatch(what)
    named = None if extra is None or not Path(extra[1]).is_file() else extra[1]
    hint = f"{path} --help" if named is None else f"{path} --db {shlex.quote(named)}"
    return _say(USAGE, "usage", what, None, hint, as_json=as_json)


def _unexpected(error: BaseException, *, as_json: bool) -> int:
    if os.environ.get("DEE_DEBUG") == "1":
        raise error
    what = f"unexpected {type(error).__name__}: {error}" if str(error) else f"unexpected {type(error).__name__}"
    hint = "this is a fault of the program: repeat the command with DEE_DEBUG=1 and report what it prints"
    return _say(FAILED, "unexpected", what, None, hint, as_json=as_json)


def _say(exit_code: int, word: str, what: str, where: str | None, hint: str | None, *, as_json: bool) -> int:
    if as_json:
        text = json_line({"error": word, "code": exit_code, "what": what, "where": where, "hint": hint})
    else:
        first, *more = (clean(line) for line in what.splitlines() or [""])
        lines = [f"dee: {first}", *more]
        lines += [f"  where: {clean(where)}"] if where else []
        lines += [f"  next:  {clean(hint)}"] if hint else []
        text = "\n".join(lines)
    print(text, file=sys.stderr)
    return exit_code
