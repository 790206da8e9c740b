"""Before an enrolment: variables as people type them, and lists of contacts as people keep them.

Whatever can be refused without changing anything is refused here, with file and line.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import Refused, Usage
from dee_appliance.intake.column_mapping import RECOGNISED, plain_name
from dee_appliance.intake.csv_text import CsvRecords
from dee_appliance.kernel.e1.enrolment import fits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dee_appliance.intake.csv_text import Record
    from dee_appliance.kernel.e1.input import Scalar
    from dee_appliance.kernel.e1.plan import AttributeDeclaration, Plan

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
IDENTIFYING: tuple[tuple[str, ...], ...] = (
    ("contact", "dee_contact"),
    *(RECOGNISED[field] for field in ("key", "email", "phone")),
)
"""Column names that say who a row is about, the best first."""
LONGEST_TEXT = 1_000


class Variables(msgspec.Struct, frozen=True, kw_only=True):
    """`typed` steer the plan and enter the log; `texts` are read by templates only and stay in the vault."""

    typed: dict[str, Scalar]
    texts: dict[str, str]


def read_variables(plan: Plan, given: Mapping[str, str], *, complete: bool = True) -> Variables:
    """Type each variable as the plan declares it; a free text goes to templates only.

    `complete`: every declared variable must be given. Raises Usage.
    """
    typed: dict[str, Scalar] = {}
    texts: dict[str, str] = {}
    known = (*plan.variables, *plan.texts)
    for name, text in given.items():
        if name in plan.variables:
            typed[name] = _typed(name, text, plan.variables[name])
        elif name not in plan.texts:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "dee plan show says what the plan takes"
            raise Usage(f"{plan.plan} takes no variable `{name}`", where="--var", hint=hint)
        elif len(text) > LONGEST_TEXT:
            raise Usage(f"`{name}` is longer than {LONGEST_TEXT} characters", where="--var")
        else:
            texts[name] = text
    missing = [name for name in known if name not in given]
    if complete and missing:
        raise Usage(f"{plan.plan} needs {', '.join(missing)}", where="--var", hint=f"add --var {missing[0]}=VALUE")
    return Variables(typed=typed, texts=texts)


def _typed(name: str, text: str, declared: AttributeDeclaration) -> Scalar:
    value: Scalar = text
    match declared.kind:
        case "bool" if text.lower() in (*YES, *NO):
            value = text.lower() in YES
        case "int":
            digits = text.removeprefix("-")
            if digits.isascii() and digits.isdigit() and len(digits) <= 18:
                value = int(text)
        case _:
            pass
    if not fits(declared, value):
        kinds = {
            "bool": "true or false",
            "int": "a whole number",
            "date": "a date like 2026-11-23",
            "zone": "a time zone",
        }
        wanted = kinds.get(declared.kind) or f"one of {', '.join(declared.values)}"
        raise Usage(f"{name} is {wanted}, not `{text}`", where="--var")
    return value


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A contact as a list names it, and the line."""

    line: int
    text: str


def read_contact_list(path: Path, column: str | None = None) -> list[Named]:
    """Read who is meant: one id, e-mail address, phone number or key a line, or one column of a CSV file.

    Empty cells are left out. Raises Refused when the file cannot be read, or no column says who is meant.
    """
    with path.open("rb") as stream:
        records = iter(CsvRecords(stream, name=path.name, delimiter=None))
        first = next(records, None)
        if first is None:
            raise Refused("the list is empty", where=path.name)
        at, header = _column(first, column, path.name)
        rows = records if header else (record for part in ((first,), records) for record in part)
        return [
            Named(line=record.line, text=record.cells[at].strip())
            for record in rows
            if at < len(record.cells) and record.cells[at].strip()
        ]


def _column(first: Record, wanted: str | None, name: str) -> tuple[int, bool]:
    """Return which column to read, and whether the first line is a header."""
    heads = [cell.strip() for cell in first.cells]
    if wanted is not None:
        if wanted not in heads:
            raise Refused(f"there is no column “{wanted}”", where=name, hint=f"the columns are {', '.join(heads[:20])}")
        return heads.index(wanted), True
    plain = [plain_name(cell) for cell in heads]
    for names in IDENTIFYING:
        for at, head in enumerate(plain):
            if head in names:
                return at, True
    if len(heads) > 1:
        raise Refused(
            "no column says who is meant", where=name, hint=f"use --column; the columns are {', '.join(heads[:20])}"
        )
    return 0, False
