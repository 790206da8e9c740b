"""Whatever the bytes of a CSV file are, the import refuses it or rejects rows: it never fails otherwise and never shifts."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dee_appliance.errors import Refused
from dee_appliance.intake.addresses import describe_number, fold_email, normalise_email, normalise_phone
from dee_appliance.intake.column_mapping import parse_mapping
from dee_appliance.intake.csv_import import ImportOptions, ImportPlan, PreparedRow, read_contacts
from dee_appliance.intake.invalid import REJECT_CODES, AddressInvalid, InvalidValue
from dee_appliance.intake.places import normalise_country, normalise_zone
from dee_appliance.intake.rejects import Reject, RejectsFile, escape_cell, unescape_cell
from dee_appliance.kernel.e1.encoding import canonical

ZONES: Final = frozenset({"America/New_York", "Europe/London", "Asia/Calcutta", "EST", "UTC"})
OPTIONS: Final = ImportOptions(known_zones=ZONES, default_country="US")

# Pieces of which broken files are made, so that the search does not spend itself on files that are refused at their first byte.
PIECES: Final = st.sampled_from([
    b"email", b"phone", b"tier", b"timezone", b"country", b"renewal_date", b"id", b"company", b",", b",", b",", b";", b"\t",
    b"\n", b"\n", b"\r", b"\r\n", b'"', b'""', b" ", b"'", b"=", b"sep=;", b"\x00", b"\xef\xbb\xbf", b"\xe9", b"\xc3\xa9",
    b"\xff\xfe", b"a@example.com", b"A@EXAMPLE.COM", b"b@example", b"+12065550100", b"206-555-0101", b"1.2E+10", b"EST",
    b"Europe/London", b"2027-02-30", b"x" * 70_000, "\ufffd".encode(), "e\u0301".encode(),
    "\u2028".encode(), b"\x0b", b"\x1c", b"\x85",
])  # fmt: skip


def outcomes_of(plan: ImportPlan) -> list[PreparedRow | Reject]:
    outcomes = list(plan.outcomes())
    counts = plan.counts
    assert counts.rows == len(outcomes) == counts.prepared + counts.rejected + counts.duplicate
    return outcomes


def check(data: bytes) -> None:
    try:
        plan = read_contacts(data, options=OPTIONS)
        outcomes = outcomes_of(plan)
    except Refused:
        return
    lines = [outcome.line for outcome in outcomes]
    assert lines == sorted(set(lines))
    physical = data.count(b"\n") + data.count(b"\r") + 1
    assert all(1 < line <= physical for line in lines)
    for outcome in outcomes:
        if isinstance(outcome, PreparedRow):
            canonical(outcome.contact.facts)
            canonical(outcome.contact.attributes)
            canonical(outcome.contact.profile)
        else:
            assert outcome.code in REJECT_CODES


@given(st.binary(max_size=400))
@example(b"email\n\x00\n")
@example(b"email\r\n\xef\xbb\xbf\r\n")
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    check(data)


@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_any_broken_file_is_refused_or_read(data: bytes) -> None:
    check(data)


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_any_rows_below_a_good_header_are_refused_or_read(data: bytes) -> None:
    check(b"email,phone,company\n" + data)


@given(st.text(max_size=300))
def test_any_text_is_refused_or_read(text: str) -> None:
    check(("email," + text).encode(errors="surrogatepass"))


CELL: Final = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"], exclude_characters="\ufffd"), max_size=12
)
MULTILINE: Final = st.lists(CELL, min_size=1, max_size=3).map("\n".join)
TABLE: Final = st.lists(st.tuples(MULTILINE, st.booleans(), MULTILINE), min_size=1, max_size=8)


@given(TABLE, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_a_well_formed_file_gives_every_value_in_its_column_and_every_line_as_an_editor_counts(
    table: list[tuple[str, bool, str]], delimiter: str, end: str, mark: str
) -> None:
    written: list[tuple[int, str, tuple[str, str]]] = []
    text = mark + delimiter.join(["company", "email", "city"]) + end
    for number, (company, good, city) in enumerate(table):
        line = text.count("\n") + 1
        email = f"p{number}@example.com" if good else "nobody"
        row = io.StringIO()
        csv.writer(row, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerow([company, email, city])
        text += row.getvalue()
        written.append((line, email, (company, city)))
    outcomes = outcomes_of(read_contacts(text.encode(), options=OPTIONS))
    assert [outcome.line for outcome in outcomes] == [line for line, _, _ in written]
    for outcome, (_, email, (company, city)) in zip(outcomes, written, strict=True):
        if isinstance(outcome, Reject):
            assert (outcome.code, outcome.cells) == ("email_syntax", (company, email, city))
        else:
            profile = outcome.contact.profile
            assert profile["email"] == email
            assert outcome.contact.facts["present"] == sorted(profile)
            for name, cell in (("company", company), ("city", city)):
                assert (name in profile) == bool(unescape_cell(cell.strip()).strip())


@given(st.text())
def test_escaping_a_cell_is_undone_and_leaves_no_formula(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text
    assert escape_cell(text)[:1] not in set("=+-@\t\r\n")


@settings(max_examples=50)
@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_any_reject_can_be_written_and_the_rejects_file_read_again(data: bytes) -> None:
    try:
        plan = read_contacts(b"email,phone,company\n" + data, options=OPTIONS)
        rejects = [outcome for outcome in outcomes_of(plan) if isinstance(outcome, Reject)]
    except Refused:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rejects.csv"
        with RejectsFile(path, plan.header) as file:
            for reject in rejects:
                file.write(reject)
        if rejects:
            again = read_contacts(path, options=OPTIONS)
            assert again.scan().rows == len(rejects)


@given(st.text(max_size=80), st.sampled_from([None, "US", "GB", "IN"]))
def test_any_text_as_an_address_is_normalised_or_refused_and_normalising_again_changes_nothing(
    text: str, region: str | None
) -> None:
    for read in (normalise_email, lambda given: normalise_phone(given, region)):
        try:
            found = read(text)
        except AddressInvalid:
            continue
        assert read(found) == found
        assert fold_email(found).encode()


@given(st.from_regex(r"\+?[0-9 ().\-]{4,20}", fullmatch=True), st.sampled_from([None, "US", "GB", "AU", "IT"]))
def test_any_digits_become_e164_with_facts_or_are_refused(text: str, region: str | None) -> None:
    try:
        e164 = normalise_phone(text, region)
    except AddressInvalid:
        return
    assert normalise_phone(e164) == e164
    assert e164[0] == "+"
    assert e164[1:].isdigit()
    assert len(e164) <= 16
    facts = describe_number(e164)
    assert e164.startswith(facts.prefix)
    assert list(facts.zones) == sorted(set(facts.zones))
    assert "Etc/Unknown" not in facts.zones


@given(st.text(max_size=40))
def test_any_text_as_a_place_or_a_mapping_is_taken_or_refused(text: str) -> None:
    for read in (normalise_country, lambda given: normalise_zone(given, ZONES)):
        try:
            found = read(text)
        except InvalidValue:
            continue
        assert read(found) == found
    try:
        parse_mapping([text, f"{text}=x", f"attribute.{text}"])
    except Refused:
        return
