"""docs/cli.md, made from the help of every command: `python tests/e2e/cli_reference.py` writes it, a test holds it to that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from dee_appliance.cli.main import dee

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"
WIDTH = 100
HEAD = """# Command line

Made from the help of the commands (`python tests/e2e/cli_reference.py`); the same text is at hand as `dee COMMAND --help`.

Every command takes `--db FILE` (or DEE_DB) and, where it prints, `--json`: one JSON object a line, with field names that stay.
Errors go to standard error, with `--json` as one object with `error`, `code`, `what`, `where` and `hint`.

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | refused or failed |
| 2 | usage |
| 3 | a replay diverged |
| 4 | the file contradicts itself |
| 5 | the file was written by a newer DEE |
| 130, 141 | interrupted; the reader of the output went away |
"""


def commands(group: click.Group = dee, above: click.Context | None = None) -> Iterator[tuple[str, click.Command, str]]:
    """Every command with its full name and its help."""
    context = _context(group, above, "dee" if above is None else str(group.name))
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, name
        inner = _context(found, context, name)
        yield inner.command_path, found, found.get_help(inner)
        if isinstance(found, click.Group):
            yield from commands(found, context)


def _context(found: click.Command, above: click.Context | None, name: str) -> click.Context:
    names = ["-h", "--help"]
    return click.Context(found, above, name, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=names)


def reference() -> str:
    """The text of docs/cli.md."""
    parts = [HEAD]
    for path, found, text in commands():
        if not isinstance(found, click.Group):
            parts.append(f"## {path}\n\n```\n{text.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
