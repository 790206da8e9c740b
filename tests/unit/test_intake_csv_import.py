"""CSV import on files as people have them."""

from __future__ import annotations

import csv
import os
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3

from dee_appliance.errors import HostError, Refused
from dee_appliance.intake.column_mapping import parse_mapping
from dee_appliance.intake.csv_import import (
    ImportCounts,
    ImportOptions,
    ImportPlan,
    PreparedRow,
    read_contacts,
)
from dee_appliance.intake.csv_text import MAX_RECORD_BYTES, find_delimiter
from dee_appliance.intake.first_lines import FirstLines
from dee_appliance.intake.invalid import REJECT_CODES
from dee_appliance.intake.rejects import Reject, RejectsFile, escape_cell, unescape_cell

if TYPE_CHECKING:
    from pathlib import Path

ZONES = frozenset({"America/New_York", "Europe/London", "UTC"})


def plan(text: str | bytes, *pairs: str, **options: Any) -> ImportPlan:
    source = text.encode() if isinstance(text, str) else text
    return read_contacts(source, options=ImportOptions(known_zones=ZONES, **options), mapping=parse_mapping(pairs))


def taken(text: str | bytes, *pairs: str, **options: Any) -> list[PreparedRow]:
    rejects: list[Reject] = []
    rows = list(plan(text, *pairs, **options).rows(rejects.append))
    assert rejects == []
    return rows


def rejected(text: str | bytes, *pairs: str, **options: Any) -> list[tuple[int, str]]:
    rejects: list[Reject] = []
    plan(text, *pairs, **options).scan(rejects.append)
    assert all(reject.code in REJECT_CODES and reject.reason for reject in rejects)
    return [(reject.line, reject.code) for reject in rejects]


def emails(text: str | bytes, **options: Any) -> list[str]:
    return [row.contact.profile["email"] for row in taken(text, **options)]


# -- bytes, line ends, delimiters, quoting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CR LF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_a_file_reads_the_same_whatever_its_mark_line_ends_and_delimiter(mark: bytes, end: str, delimiter: str) -> None:
    rows = [["email", "first name"], ["ana@example.com", "Ana"], ["ben@example.com", "Ben"]]
    text = mark + end.join(delimiter.join(row) for row in rows).encode()
    assert [(row.line, row.contact.profile) for row in taken(text)] == [
        (2, {"email": "ana@example.com", "first_name": "Ana"}),
        (3, {"email": "ben@example.com", "first_name": "Ben"}),
    ]


def test_a_quoted_value_may_hold_delimiters_quotes_and_newlines_and_lines_are_still_counted_as_the_editor_does() -> (
    None
):
    text = 'email,last name,company\na@example.com,"O\'Brien, ""Jr""","Alder\r\nTools\n\nLtd"\n\nb@example.com,B,\nbad,C,D\n'
    found = plan(text)
    rejects: list[Reject] = []
    first, second = found.rows(rejects.append)
    assert first.contact.profile["last_name"] == 'O\'Brien, "Jr"'
    assert first.contact.profile["company"] == "Alder\nTools\n\nLtd"
    assert (first.line, second.line) == (2, 7)
    assert [(reject.line, reject.code) for reject in rejects] == [(8, "email_syntax")]
    assert found.counts.blank == 1


def test_a_header_may_stand_below_blank_lines_and_hold_a_quoted_newline() -> None:
    text = '\n\n"email","first\nname"\nana@example.com,Ana\n'
    (row,) = taken(text)
    assert row.line == 5
    assert row.contact.profile["first_name"] == "Ana"


def test_blank_lines_and_rows_of_nothing_but_delimiters_are_counted_and_left_out() -> None:
    found = plan("email,company\n\n,\n  , \na@example.com,\n,\n")
    assert found.scan() == ImportCounts(rows=1, prepared=1, blank=4)


def test_a_space_before_a_quote_does_not_hide_the_quote() -> None:
    (row,) = taken('email, company\na@example.com, "Alder, Tools"\n')
    assert row.contact.profile["company"] == "Alder, Tools"


def test_a_line_that_names_the_separator_is_obeyed() -> None:
    assert emails("sep=;\nemail;company\na@example.com;x\n") == ["a@example.com"]
    with pytest.raises(Refused, match="names a delimiter we do not read"):
        plan("sep=|\nemail|company\n")


def test_a_header_with_as_many_commas_as_semicolons_is_refused_unless_the_delimiter_is_given() -> None:
    text = "email;first, last\na@example.com;Ana\n"
    with pytest.raises(Refused, match="as many of comma and semicolon"):
        plan(text)
    assert emails(text, delimiter=";") == ["a@example.com"]


def test_delimiters_inside_quoted_names_do_not_count() -> None:
    assert find_delimiter('email;"first, middle, last"\n', where="x:1") == ";"
    assert find_delimiter("email\n", where="x:1") == ","


@pytest.mark.parametrize("delimiter", ["|", "", ",;", " "])
def test_only_comma_semicolon_and_tab_are_delimiters(delimiter: str) -> None:
    with pytest.raises(Refused, match="not a delimiter"):
        plan("email\n", delimiter=delimiter)


@pytest.mark.parametrize(
    ("data", "said", "where"),
    [
        (b"", "the file is empty", "contacts"),
        (b"\xef\xbb\xbf\r\n \n", "the file is empty", "contacts"),
        ("email\na@example.com\n".encode("utf-16"), "UTF-16", "contacts"),
        ("email\na@example.com\n".encode("utf-16-be"), "every other byte is NUL", "contacts"),
        (b"PK\x03\x04rest", "workbook", "contacts"),
        (b"\xd0\xcf\x11\xe0rest", "old Excel", "contacts"),
        (b"\x1f\x8brest", "compressed", "contacts"),
        (b"email,name\na@example.com,Ana\nb@example.com,Jos\xe9\n", "0xE9 is not UTF-8 .in Windows-1252.*“é”", "contacts:3"),
        (b"email,name\na@example.com,\x81\n", "0x81 is not UTF-8", "contacts:2"),
        (b'email,name\n"a@example.com,Ana\nb@example.com,Ben\n', "never closed", "contacts:2"),
        (b'email,name\na@example.com,"Ana"x\n', "after a closing quote", "contacts:2"),
        (b'email,name\na@example.com,"' + b"x" * 200_000, "never closed", "contacts:2"),
        (b"email\n" + b"x" * (MAX_RECORD_BYTES + 2), "longer than", "contacts:2"),
        (b'email,name\na@example.com,"' + b"x\n" * MAX_RECORD_BYTES, "never closed|longer than", None),
        (b"email\na@example.com\nb@example.com\nc@example.com\n", "more than 2 rows", "contacts:4"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_to_its_end_is_refused_with_the_line(
    data: bytes, said: str, where: str | None
) -> None:
    with pytest.raises(Refused, match=said) as refusal:
        plan(data, max_rows=2).scan()
    assert where is None or refusal.value.where == where
    assert refusal.value.hint


def test_a_character_split_between_two_reads_and_a_line_end_split_between_two_reads_are_whole() -> None:
    # The stream is read in blocks of 1,024 and then 262,144 bytes: put "é" and CR LF across both borders.
    head = "email,company\r\n"
    filler = "é" * 600
    rows = [f"a{n}@example.com,{filler}{'x' * (n % 7)}\r\n" for n in range(500)]
    assert len(emails(head + "".join(rows))) == 500


# -- rows ---------------------------------------------------------------------------------------------------------------------


def test_a_short_row_and_a_long_row_are_rejected_and_never_shifted() -> None:
    text = "email,first name,company\nAna,Alder\na@example.com,Ana,Alder,extra\nb@example.com,Ben,Cobalt\n"
    assert rejected(text) == [(2, "short_row"), (3, "long_row")]


def test_a_nul_and_an_oversized_value_reject_their_row_only() -> None:
    text = f"email,company\na@example.com,x\x00y\nb@example.com,{'x' * 65_537}\nc@example.com,ok\n"
    assert rejected(text) == [(2, "control_character"), (3, "field_too_long")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("email,phone\nana@example,\n", "email_syntax"),
        ("email,phone\na@example.com,12\n", "phone_no_country"),
        ("email,phone\na@example.com,1.2E+10\n", "phone_spreadsheet"),
        ("email,phone\n,\nx@example.com,+1 206 555 0100 x5\n", "phone_extension"),
        ("email,company\n,Alder\n", "no_address"),
        ("email,timezone\na@example.com,EST\n", "zone_ambiguous"),
        ("email,timezone\na@example.com,Mars/Base\n", "zone_unknown"),
        ("email,country\na@example.com,Nowhere\n", "country_unknown"),
        ("email,attribute.n:int\na@example.com,1.5\n", "attribute_int"),
        ("email,renewal_date\na@example.com,3/4/2027\n", "attribute_date"),
        ("email,name\na@example.com,Jos\ufffd\n", "damaged_text"),
    ],
)
def test_a_bad_value_rejects_its_row_with_a_code_and_the_column_in_the_reason(text: str, code: str) -> None:
    rejects: list[Reject] = []
    plan(text).scan(rejects.append)
    assert [reject.code for reject in rejects] == [code]
    column = rejects[0].column
    assert column is None or rejects[0].reason.startswith(f"{column}: ")


def test_dates_in_a_declared_order_are_read() -> None:
    (row,) = taken("email,Renewal\na@example.com,3/4/2027\n", "attribute.renewal_date=Renewal:date_mdy")
    assert row.contact.attributes == {"renewal_date": "2027-03-04"}


# -- duplicates ---------------------------------------------------------------------------------------------------------------


def duplicates(text: str, **options: Any) -> list[tuple[int, str, int | None]]:
    rejects: list[Reject] = []
    found = plan(text, **options)
    found.scan(rejects.append)
    assert found.counts.duplicate == len(rejects)
    return [(reject.line, reject.code, reject.first_line) for reject in rejects]


def test_an_address_repeated_in_other_case_is_a_duplicate_of_the_line_that_had_it_first() -> None:
    text = "email\nana@example.com\nben@example.com\nANA@Example.COM\n ana@EXAMPLE.com\n"
    assert duplicates(text) == [(4, "duplicate_email", 2), (5, "duplicate_email", 2)]


def test_a_repeated_customer_key_is_a_duplicate_and_keys_differ_by_case() -> None:
    text = "id,email\nK1,a@example.com\nK1,b@example.com\nk1,c@example.com\n"
    assert duplicates(text) == [(3, "duplicate_key", 2)]


def test_a_repeated_phone_number_is_a_duplicate_unless_phones_may_be_shared() -> None:
    text = "email,phone\na@example.com,+12065550100\nb@example.com,(206) 555-0100\n"
    assert duplicates(text, default_country="US") == [(3, "duplicate_phone", 2)]
    assert duplicates(text, default_country="US", shared_phones=True) == []


def test_shared_phones_still_need_an_email_address_to_tell_people_apart() -> None:
    assert duplicates("phone\n+12065550100\n+12065550100\n", shared_phones=True) == [(3, "duplicate_phone", 2)]


def test_a_rejected_row_makes_no_later_row_a_duplicate() -> None:
    assert rejected("email,phone\na@example.com,12\na@example.com,+12065550100\n") == [(2, "phone_no_country")]


def test_the_table_of_first_lines_remembers_each_of_many_identities() -> None:
    table = FirstLines()
    identities = [blake3(n.to_bytes(4, "big")).digest(16) for n in range(20_000)]
    for line, identity in enumerate(identities[:9_000], start=1):
        assert table.line_of(identity) is None
        table.add(identity, line)
    assert [table.line_of(identity) for identity in identities[:9_000]] == list(range(1, 9_001))
    assert all(table.line_of(identity) is None for identity in identities[9_000:])


def test_identities_that_want_the_same_slot_are_kept_apart() -> None:
    table = FirstLines()
    rivals = [high.to_bytes(8, "big") + low.to_bytes(8, "big") for high in range(8) for low in (0, 1, 4095, 2**63)]
    for line, identity in enumerate(rivals, start=1):
        table.add(identity, line)
    assert [table.line_of(identity) for identity in rivals] == list(range(1, len(rivals) + 1))


# -- the plan -----------------------------------------------------------------------------------------------------------------

MIXED = "id,email,colour\nK1,a@example.com,red\nK2,bad,blue\nK1,c@example.com,green\nK4,d@example.com,pink\n"


def test_every_row_is_in_exactly_one_count_and_a_second_pass_counts_the_same() -> None:
    found = plan(MIXED)
    expected = ImportCounts(rows=4, prepared=2, rejected=1, duplicate=1)
    assert found.scan() == expected
    assert found.scan() == expected
    assert found.columns.unused == ("colour",)


def test_rejects_refuse_the_import_unless_they_are_allowed() -> None:
    with pytest.raises(Refused, match="1 of 4 rows were rejected; nothing was imported"):
        plan(MIXED).refuse_unless(allow_rejects=False)
    plan(MIXED).refuse_unless(allow_rejects=True)
    plan("email\na@example.com\nA@example.com\n").refuse_unless(allow_rejects=False)


def test_ids_are_drawn_by_the_caller() -> None:
    drawn = iter(["c_a", "c_b"])
    found = read_contacts(
        b"email\na@example.com\nb@example.com\n",
        options=ImportOptions(known_zones=ZONES),
        draw_id=lambda: next(drawn),
    )
    assert [row.contact.contact for row in found.rows()] == ["c_a", "c_b"]


def test_a_file_whose_header_changes_between_two_passes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("email,company\na@example.com,x\n")
    found = read_contacts(path, options=ImportOptions(known_zones=ZONES))
    path.write_text("company,email\nx,a@example.com\n")
    with pytest.raises(Refused, match="has changed while it was read"):
        found.scan()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(Refused, match="cannot be read") as refusal:
            read_contacts(path, options=ImportOptions(known_zones=ZONES))
        assert refusal.value.where == str(path)


def test_a_default_country_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="not a country code"):
        plan("phone\n", default_country="us")


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that opens and cannot be read")  # noqa: PTH110
def test_a_read_error_is_the_hosts_fault_not_the_files() -> None:
    from pathlib import Path  # noqa: PLC0415 (only here is it more than a type)

    with pytest.raises(HostError):
        read_contacts(Path("/proc/self/mem"), options=ImportOptions(known_zones=ZONES))


@pytest.mark.slow
def test_ten_times_the_rows_take_about_ten_times_as_long() -> None:
    def seconds(rows: int) -> float:
        lines = "".join(f"K{n},a{n}@example.com,Alder\n" for n in range(rows))
        found = plan("id,email,company\n" + lines)
        begun = time.process_time()
        assert found.scan().prepared == rows
        return time.process_time() - begun

    seconds(100)  # the libraries are loaded
    small, large = seconds(3_000), seconds(30_000)
    assert large < small * 10 * 2


# -- the rejects file ---------------------------------------------------------------------------------------------------------


def write_rejects(path: Path, found: ImportPlan) -> list[list[str]]:
    with RejectsFile(path, found.header) as file:
        found.scan(file.write)
        assert file.written == found.counts.rejected + found.counts.duplicate
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


def test_the_rejects_file_has_line_code_reason_and_the_original_columns(tmp_path: Path) -> None:
    lines = write_rejects(
        tmp_path / "rejects.csv", plan("email,company\nbad,Ünal\nc@example.com\nd@example.com,x,more\n")
    )
    assert lines[0] == ["reject_line", "reject_code", "reject_reason", "email", "company"]
    assert lines[1][:2] == ["2", "email_syntax"]
    assert lines[1][3:] == ["bad", "Ünal"]
    assert lines[2][3:] == ["c@example.com"]
    assert lines[3][3:] == ["d@example.com", "x", "more"]


def test_nothing_rejected_leaves_no_rejects_file(tmp_path: Path) -> None:
    assert write_rejects(tmp_path / "rejects.csv", plan("email\na@example.com\n")) == []


def test_only_the_owner_may_read_the_rejects_file(tmp_path: Path) -> None:
    write_rejects(tmp_path / "rejects.csv", plan("email\nbad\n"))
    assert stat.S_IMODE((tmp_path / "rejects.csv").stat().st_mode) == 0o600


def test_a_rejects_file_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        write_rejects(tmp_path / "missing" / "rejects.csv", plan("email\nbad\n"))


@pytest.mark.parametrize("text", ["=1+1", "+12065550100", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "'=1", "''+1"])
def test_no_cell_of_the_rejects_file_can_run_as_a_formula(text: str) -> None:
    assert escape_cell(text) == "'" + text
    assert unescape_cell(escape_cell(text)) == text


@pytest.mark.parametrize("text", ["", "x", "'quoted'", "1=1", "O'Brien", "'"])
def test_harmless_cells_stay_as_they_are(text: str) -> None:
    assert escape_cell(text) == text
    assert unescape_cell(text) == text


def test_a_corrected_rejects_file_imports_as_it_is_and_so_does_what_it_rejects_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    write_rejects(first, plan("email,phone,company\nbad,+12065550100,=cmd()\nworse,+12065550101,x\n"))
    corrected = first.read_bytes().replace(b",bad,", b",good@example.com,")
    again = plan(corrected)
    (row,) = again.rows()
    assert row.contact.profile == {"email": "good@example.com", "phone": "+12065550100", "company": "=cmd()"}
    lines = write_rejects(second, again)
    assert lines[0] == ["reject_line", "reject_code", "reject_reason", "email", "phone", "company"]
    assert lines[1][3:] == ["worse", "'+12065550101", "x"]
