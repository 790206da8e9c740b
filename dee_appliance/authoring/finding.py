"""What the checks of a written file say: one finding per mistake, with file, line, reason and a suggestion.

Findings are values. Nothing here knows what is checked, and nothing prints: the command line does.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

import msgspec

from dee_appliance.errors import Refused

Severity = Literal["refused", "warned"]
Code = Literal[
    "ambiguous_template",
    "condition",
    "duplicate_arm",
    "duplicate_id",
    "duplicate_rate",
    "duplicate_value",
    "falls_off_end",
    "instant_cycle",
    "missing_else",
    "missing_field",
    "missing_hours",
    "missing_script",
    "missing_source",
    "missing_template",
    "missing_timeout",
    "missing_unsubscribe",
    "never_open",
    "no_rate",
    "opened_only",
    "reserved_id",
    "syntax",
    "too_many",
    "unbounded_cycle",
    "undeclared_attribute",
    "undeclared_variable",
    "unknown_calendar",
    "unknown_field",
    "unknown_jurisdiction",
    "unknown_key",
    "unknown_kind",
    "unknown_rule",
    "unknown_target",
    "unknown_zone",
    "unreachable",
    "unusable_script",
    "unusable_template",
    "useless_field",
    "wrong_combination",
    "wrong_length",
    "wrong_order",
    "wrong_recover",
    "wrong_type",
    "wrong_value",
]
"""Every kind of finding. A code keeps its meaning; docs/plan-format.md says what each one is about."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong (`refused`) or doubtful (`warned`) at `line` (from 1) of `file`.

    `code` is stable and meant for programs; `reason` says what is wrong, `suggestion` what to write instead.
    """

    severity: Severity
    file: str
    line: int
    code: Code
    reason: str
    suggestion: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: {self.severity} {self.code}: {self.reason}"
        return f"{text} ({self.suggestion})" if self.suggestion else text


class Findings:
    """Collects the findings of one check; a repeated finding is kept once."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def refuse(self, file: str, line: int, code: Code, reason: str, suggestion: str = "") -> None:
        """Add a finding that keeps the file from being published."""
        self._add(Finding(severity="refused", file=file, line=line, code=code, reason=reason, suggestion=suggestion))

    def warn(self, file: str, line: int, code: Code, reason: str, suggestion: str = "") -> None:
        """Add a finding that is only said."""
        self._add(Finding(severity="warned", file=file, line=line, code=code, reason=reason, suggestion=suggestion))

    def _add(self, finding: Finding) -> None:
        self._found[finding] = None

    @property
    def refused(self) -> int:
        """How many findings keep the file from being published."""
        return sum(finding.severity == "refused" for finding in self._found)

    def in_order(self, first_file: str) -> tuple[Finding, ...]:
        """Return the findings by file (`first_file` first), then line, then order of discovery."""
        return tuple(sorted(self._found, key=lambda finding: (finding.file != first_file, finding.file, finding.line)))


def refusal_of(what: str, file: str, findings: Iterable[Finding], hint: str) -> Refused:
    """Return the error that lists everything that keeps a file from being used."""
    listed = "\n".join(f"  {finding}" for finding in findings if finding.severity == "refused")
    return Refused(f"the {what} has mistakes:\n{listed}", where=file, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is nearest to `word`, or name the known words when there are few; else say nothing."""
    words = sorted(set(known))
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    if 0 < len(words) <= 12:
        return f"known: {', '.join(words)}"
    return ""
