"""Cases of refused files in a text file: each begins with `=== name`, and each line that must be refused ends in `# <- code`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dee_appliance.authoring.finding import Finding


def cases(path: Path) -> dict[str, str]:
    """The cases of a file, by name."""
    text = path.read_text(encoding="utf-8")
    return {title: body for title, _, body in (part.partition("\n") for part in text.split("=== ")[1:])}


def marked(text: str) -> list[tuple[int, str]]:
    """The (line, code) pairs that the text says must be found; `code@-1` is about the line before."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        mark = re.search(r"# <- (.*)$", line)
        for word in mark[1].split() if mark else ():
            code, _, shift = word.partition("@")
            found.append((number + int(shift or 0), code))
    return sorted(found)


def refused(findings: Iterable[Finding]) -> list[tuple[int, str]]:
    """The (line, code) pairs of what was refused."""
    return sorted((finding.line, finding.code) for finding in findings if finding.severity == "refused")
