"""Time-zone tables as an operator deals with them: the one in use, the one this program brings, one in a file.

A file decides by the table that its inputs named; another one comes into use as an input like everything else. Whether it may is
checked here, before anything is appended: a table that knows less than the one in use would leave runs without a clock.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.source import read_text
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.errors import EvidenceError, Refused
from dee_appliance.kernel.e1.civil_time import ZoneTable, format_utc
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_view import Instant, Times
from dee_appliance.store.header import refuse_to_replace

if TYPE_CHECKING:
    from dee_appliance.runtime.reading import View

LONGEST_RELEASE = 32
SHOWN = 5
"""How many missing zones a refusal names."""


class TableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a table is: its IANA release, its digest, the span it covers (UTC, half-open) and how many zones it knows."""

    release: str
    digest: str
    first: str
    end: str
    zones: int


class ZonesReport(msgspec.Struct, frozen=True, kw_only=True):
    """The table in use, since which entry, and the one that the installed program brings."""

    used: TableFacts
    entry: int
    since: Instant
    installed: TableFacts

    @property
    def same(self) -> bool:
        """Whether the installed program brings the table that is in use."""
        return self.used.digest == self.installed.digest


class OfferedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table that may come into use: its document as it will be stored, and what it decides."""

    body: bytes
    table: ZoneTable
    source: str
    """Where it comes from, for messages."""


def facts_of(table: ZoneTable) -> TableFacts:
    """Describe a table."""
    return TableFacts(
        release=table.version,
        digest=table.digest,
        first=format_utc(table.from_utc),
        end=format_utc(table.until_utc),
        zones=len(table.zones()),
    )


def tz_show(view: View) -> ZonesReport:
    """Describe the table in use and the one of the installed program."""
    entry = view.state.setting_entries["zones"]
    line = Log(view).entry(entry)
    if line is None:
        raise EvidenceError(f"entry {entry} is not in the log", where=str(view.database.path), hint="run `dee verify`")
    return ZonesReport(
        used=facts_of(view.state.zones()),
        entry=entry,
        since=Times(view).at(line.tick + view.epoch),
        installed=facts_of(installed_table().table),
    )


def installed_table() -> OfferedTable:
    """Compile the table of the installed `tzdata` package. Raises HostError when the package is damaged."""
    document = compile_zone_table()
    return OfferedTable(body=canonical(document), table=ZoneTable(document), source="the installed tzdata package")


def read_table(path: Path) -> OfferedTable:
    """Read a table that `dee tz show --export` has written. Raises Refused for a file that is none.

    The digest is that of the normal form, so a file that somebody made pretty is the same table.
    """
    where = str(path)
    try:
        document = msgspec.json.decode(read_text(path))
        table = ZoneTable(document)
    except (msgspec.DecodeError, RecursionError, EvidenceError) as error:
        raise _no_table(where, error.what if isinstance(error, EvidenceError) else "it is not JSON") from error
    if not 0 < len(table.version) <= LONGEST_RELEASE or not table.version.isprintable():
        raise _no_table(where, "it names no release")
    return OfferedTable(body=canonical(document), table=table, source=where)


def _no_table(where: str, why: str) -> Refused:
    return Refused(f"this is no time-zone table: {why}", where=where, hint="dee tz show --export FILE writes one")


def refuse_lesser(offered: OfferedTable, used: ZoneTable) -> None:
    """Raise Refused for a table that lacks a zone or a year of the one in use: IANA takes neither away."""
    table = offered.table
    if table.from_utc > used.from_utc or table.until_utc < used.until_utc:
        raise Refused(
            f"the table covers {format_utc(table.from_utc)[:10]} to {format_utc(table.until_utc)[:10]}, the one in use "
            f"{format_utc(used.from_utc)[:10]} to {format_utc(used.until_utc)[:10]}",
            where=offered.source,
            hint="take a table that covers at least as much",
        )
    known = dict.fromkeys(table.zones())
    missing = [zone for zone in used.zones() if zone not in known]
    if missing:
        more = f" and {len(missing) - SHOWN} others" if len(missing) > SHOWN else ""
        raise Refused(
            f"the table {table.version} does not have {', '.join(missing[:SHOWN])}{more}, which the one in use has",
            where=offered.source,
            hint="take the table of a newer release",
        )


def export_table(view: View, target: Path) -> int:
    """Write the table in use, as it is stored, to a file. Returns its length in bytes.

    Raises Refused when a database would be overwritten.
    """
    refuse_to_replace(target, view.database.path)
    return target.write_bytes(view.state.documents.body(view.state.zones().digest).encode())
