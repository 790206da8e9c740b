#!/usr/bin/env python3
"""Writes contacts.csv, the contact list of the sales-outreach example: `python make_contacts.py`.

Nothing in it is random, so it always writes the same bytes. Nobody in it exists: e-mail domains are those of RFC 2606, telephone
numbers are reserved for examples and fiction: 555-0100 to 0199 in North America, 020 7946 0xxx in the United Kingdom (Ofcom),
5550 xxxx in Australia (ACMA). India reserves none, so its contacts have e-mail only. DIRTY holds the rows that are odd or wrong
on purpose, each with what the import makes of it.
"""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path
from typing import Final, NamedTuple

COLUMNS: Final = (
    "customer_id", "first_name", "last_name", "email", "phone", "company", "timezone", "country", "tier", "renewal_date",
)  # fmt: skip


class Region(NamedTuple):
    """Where a group of contacts lives; `phone` is a number with {} for the digits that differ, or "" for no phone."""

    people: int
    phone: str
    timezone: str
    country: str


REGIONS: Final = (
    Region(24, "+1 206 555 01{:02}", "America/Los_Angeles", "US"),
    Region(18, "+1 415 555 01{:02}", "America/Los_Angeles", "US"),
    Region(26, "+1 212 555 01{:02}", "America/New_York", "US"),
    Region(16, "+1 617 555 01{:02}", "America/New_York", "US"),
    Region(12, "+1 404 555 01{:02}", "America/New_York", "US"),
    Region(22, "+1 312 555 01{:02}", "America/Chicago", "US"),
    Region(14, "+1 713 555 01{:02}", "America/Chicago", "US"),
    Region(12, "+1 303 555 01{:02}", "America/Denver", "US"),
    Region(8, "+1 602 555 01{:02}", "America/Phoenix", "US"),  # no daylight saving time
    Region(6, "+1 317 555 01{:02}", "America/Indiana/Indianapolis", "US"),
    Region(4, "+1 808 555 01{:02}", "Pacific/Honolulu", "US"),
    Region(36, "+44 20 7946 0{:03}", "Europe/London", "GB"),
    Region(14, "+61 2 5550 1{:03}", "Australia/Sydney", "AU"),
    Region(6, "+61 7 5550 1{:03}", "Australia/Brisbane", "AU"),  # no daylight saving time
    Region(12, "", "Asia/Kolkata", "IN"),  # half an hour off
)

FIRST: Final = (
    "Ana", "Ben", "Chloé", "Dev", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Keiko", "Liam", "Mina", "Noor", "Omar",
    "Priya", "Quinn", "Rosa", "Søren", "Tara", "Uma", "Victor", "Wen", "Ximena", "Yusuf", "Zoë",
)  # fmt: skip
LAST: Final = (
    "Abbott", "Banerjee", "Carter", "Dubois", "Eriksen", "Fischer", "García", "Hughes", "Iyer", "Jansen", "Kowalski", "Lindqvist",
    "Müller", "Nakamura", "Okafor", "Patel", "Quispe", "Rossi", "Silva", "Tanaka", "Ueda", "Varga", "Walker",
)  # fmt: skip
COMPANY: Final = (
    "Alder Tools", "Bright & Sons", "Cobalt Freight", "Dune Robotics", "Elm Street Books", "Fjord Analytics", "Granite Bikes",
    "Harbour Tea", "Isobar Weather", "Juniper Clinics", "Kiln Ceramics",
)  # fmt: skip
TIER: Final = ("free", "team", "team", "business", "free", "enterprise", "team")
DOMAIN: Final = ("example.com", "example.org", "example.net")
FIRST_RENEWAL: Final = datetime.date(2027, 1, 4)

Row = tuple[str, ...]

# Before which clean row it stands, the row, and what the import says of it: "taken", or the code of the reject.
DIRTY: Final[tuple[tuple[int, Row, str], ...]] = (
    (5, ("C-9001", "Aoife", 'O\'Brien, "Jr"', "aoife.obrien@example.com", "+1 206 555 0190", "Alder Tools",
         "America/Los_Angeles", "US", "team", "2027-02-01"), "taken"),
    (12, ("C-9002", "Ana", "Abbott", "ANA.ABBOTT.1@EXAMPLE.COM", "+1 206 555 0191", "Alder Tools",
          "America/Los_Angeles", "US", "free", "2027-02-02"), "duplicate_email"),
    (20, ("C-9003", "Bruno", "Costa", "bruno.costa@example.org", "+1 206 555 0192", "America/Los_Angeles", "US", "team",
          "2027-02-03"), "short_row"),
    (31, ("C-9004", "Cara", "Doyle", "cara.doyle@example.net", "+1 415 555 0193", "", "America/Los_Angeles", "US", "free",
          "2027-02-04"), "taken"),
    (44, ("C-9005", "Dana", "Reed", "dana.reed@example", "+1 212 555 0194", "Cobalt Freight", "America/New_York", "US", "team",
          "2027-02-05"), "email_syntax"),
    (57, ("C-9006", "Emil", "Stone", "emil.stone@example.com", "555-0195", "Dune Robotics", "America/New_York", "US", "team",
          "2027-02-06"), "phone_too_short"),
    (63, ("C-9007", "Faye", "Turner", "faye.turner@example.org", "+1 617 555 0196", "Elm Street Books\nSecond floor",
          "America/New_York", "US", "business", "2027-02-07"), "taken"),
    (78, ("C-9008", "Gil", "Usher", "gil.usher@example.net", "+1 800 555 0199", "Fjord Analytics", "America/New_York", "US",
          "free", "2027-02-08"), "taken"),
    (90, ("C-9009", "Hana", "Vance", "hana.vance@example.com", "+1 312 555 0197", "Granite Bikes", "CST", "US", "team",
          "2027-02-09"), "zone_ambiguous"),
    (101, ("C-9010", "Ivo", "West", "ivo.west@example.org", "1.31255E+10", "Harbour Tea", "America/Chicago", "US", "team",
           "2027-02-10"), "phone_spreadsheet"),
    (115, ("C-1003", "Jade", "York", "jade.york@example.net", "+1 312 555 0198", "Isobar Weather", "America/Chicago", "US",
           "free", "2027-02-11"), "duplicate_key"),
    (128, ("C-9012", "Kit", "Zeller", "kit.zeller@example.com", "+1 206 555 0193", "Juniper Clinics", "America/New_York", "US",
           "enterprise", "2027-02-12"), "taken"),
    (140, ("C-9013", "Lea", "Archer", "", "", "Kiln Ceramics", "America/Denver", "US", "free", "2027-02-13"), "no_address"),
    (155, ("C-9014", "Max", "Birch", "max.birch@example.org", "+1 303 555 0199", "Alder Tools", "America/Denver", "US", "team",
           "2027-02-30"), "attribute_date"),
    (170, ("C-9015", "Nia", "Cole", "  Nia.Cole@Example.Com ", "020 7946 0958", "Bright & Sons", "europe/london", "UK",
           "business", "2027-02-15"), "taken"),
    (200, ("C-9016", "Oto", "Dunn", "oto.dunn@example.net", "", "Cobalt Freight", "", "", "free", ""), "taken"),
)  # fmt: skip


def main() -> None:
    """Write contacts.csv beside this script."""
    (Path(__file__).parent / "contacts.csv").write_bytes(contacts_csv())


def contacts_csv() -> bytes:
    """Return the whole file, with the byte order mark that spreadsheets put first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    dirty = {before: row for before, row, _ in DIRTY}
    for index, row in enumerate(clean_rows()):
        if index in dirty:
            writer.writerow(dirty[index])
        writer.writerow(row)
    return text.getvalue().encode("utf-8-sig")


def clean_rows() -> list[Row]:
    """Return the rows that have nothing wrong with them, region by region."""
    rows: list[Row] = []
    for region in REGIONS:
        start = len(rows)
        rows += [_row(start + offset, offset, region) for offset in range(region.people)]
    return rows


def _row(index: int, within_region: int, region: Region) -> Row:
    first, last = FIRST[index % len(FIRST)], LAST[index % len(LAST)]
    renewal = FIRST_RENEWAL + datetime.timedelta(days=index * 3 % 364)
    return (
        f"C-{1001 + index}",
        first,
        last,
        f"{_ascii(first)}.{_ascii(last)}.{index + 1}@{DOMAIN[index % len(DOMAIN)]}",
        region.phone.format(within_region),
        COMPANY[index % len(COMPANY)],
        region.timezone,
        region.country,
        TIER[index % len(TIER)],
        renewal.isoformat(),
    )


def _ascii(name: str) -> str:
    return name.lower().translate(str.maketrans("éëíøüö", "eeiouo"))


if __name__ == "__main__":
    main()
