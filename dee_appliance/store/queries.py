"""Named queries: `sql/queries/<noun>.sql` bound to a typed struct, checked when the program starts.

A file holds queries in this form, and nothing else:

    -- name: select_tail
    -- The newest audit entry.
    SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1;

The name is verb_noun. The verb says what the query may do: `select_` only reads, `append_` inserts into an append-only table,
`insert_`, `update_` and `delete_` change the others; a test holds every query to that. SQL stands nowhere else, and is never put
together from pieces.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TypeVar

import msgspec

from dee_appliance.errors import HostError
from dee_appliance.store.schema import sql_root

VERBS = ("select", "append", "insert", "update", "delete")
_HEADER = re.compile(r"-- name: (?P<name>[a-z][a-z0-9_]*)")
_NAME = re.compile(rf"(?:{'|'.join(VERBS)})_[a-z][a-z0-9_]*")

Queries = TypeVar("Queries", bound=msgspec.Struct)


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One named query: its purpose in a line, and its text without comments."""

    name: str
    purpose: str
    sql: str


def load_queries(struct_type: type[Queries], noun: str) -> Queries:
    """Return the struct filled with the queries of `sql/queries/<noun>.sql`: one `str` field for each, no more and no less.

    Raises HostError when file and struct do not match: the installation is damaged or the program is wrong.
    """
    found = {query.name: query.sql for query in read_queries(noun)}
    wanted = set(struct_type.__struct_fields__)
    for name in sorted(wanted - found.keys()):
        raise _broken(noun, f"the query {name} is missing")
    for name in sorted(found.keys() - wanted):
        raise _broken(noun, f"the query {name} is not used")
    return struct_type(**found)


@cache
def read_queries(noun: str) -> tuple[Query, ...]:
    """Return the queries of one file in order. Raises HostError for any line that does not fit the form."""
    source = sql_root().joinpath("queries", f"{noun}.sql")
    if not source.is_file():
        raise _broken(noun, "the file is missing")
    return parse_queries(noun, source.read_text(encoding="utf-8"))


def parse_queries(noun: str, text: str) -> tuple[Query, ...]:
    """Split the text of a query file. Raises HostError for a bad or repeated name, a missing purpose or an empty query."""
    queries: list[Query] = []
    blocks = re.split(r"^(?=-- name:)", text, flags=re.MULTILINE)
    if any(not line.startswith("--") for line in blocks[0].splitlines() if line.strip()):
        raise _broken(noun, "there is SQL above the first `-- name:`")
    for block in blocks[1:]:
        query = _parse_block(noun, block.strip().splitlines())
        if any(query.name == other.name for other in queries):
            raise _broken(noun, f"the query {query.name} is there twice")
        queries.append(query)
    return tuple(queries)


def _parse_block(noun: str, lines: list[str]) -> Query:
    header = _HEADER.fullmatch(lines[0].strip())
    if header is None or not _NAME.fullmatch(header["name"]):
        raise _broken(noun, f"not a query name: {lines[0]}")
    name = header["name"]
    purpose = lines[1] if len(lines) > 1 else ""
    if not purpose.startswith("-- ") or not purpose[3:].strip():
        raise _broken(noun, f"the query {name} has no line of purpose")
    sql = "\n".join(line for line in lines[2:] if not line.lstrip().startswith("--")).strip().rstrip(";").strip()
    if not sql:
        raise _broken(noun, f"the query {name} is empty")
    return Query(name=name, purpose=purpose[3:].strip(), sql=sql)


def _broken(noun: str, what: str) -> HostError:
    return HostError(f"sql/queries/{noun}.sql: {what}", hint="install DEE again, or repair the checkout")
