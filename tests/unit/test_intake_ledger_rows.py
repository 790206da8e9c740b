"""Rows of consent, opt-out and list files: what each cell means, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dee_appliance.errors import Refused
from dee_appliance.intake.invalid import REJECT_CODES, InvalidValue
from dee_appliance.intake.ledger_rows import (
    CONSENT_COLUMNS,
    LIST_COLUMNS,
    LONGEST_EVIDENCE,
    OPT_OUT_COLUMNS,
    ConsentLine,
    OptOutLine,
    read_consent,
    read_opt_out,
    read_subjects,
)
from dee_appliance.intake.moments import parse_moment
from dee_appliance.intake.rejects import Reject
from dee_appliance.intake.row_file import Columns, Repeated, RowFile

NOW = parse_moment("2026-11-23T09:00:00Z")


def consent(**fields: str) -> ConsentLine:
    return read_consent({"channel": "email", **fields}, now=NOW)


def test_what_a_file_leaves_out_is_as_on_the_command_line() -> None:
    assert consent() == ConsentLine(
        channel="email", purpose="*", granted=True, consent_class="express", basis="", obtained=None, expires=None,
        source="import", evidence="",
    )  # fmt: skip


def test_every_cell_is_read() -> None:
    told = {
        "channel": "SMS", "purpose": "Marketing", "granted": "Yes", "class": "implied", "basis": "purchase",
        "obtained": "2026-01-02", "expires": "2028-01-02T03:04:05+01:00", "source": "crm/7", "evidence": "bought a kettle",
    }  # fmt: skip
    assert consent(**told) == ConsentLine(
        channel="sms", purpose="marketing", granted=True, consent_class="implied", basis="purchase",
        obtained=parse_moment("2026-01-02T00:00:00Z"), expires=parse_moment("2028-01-02T02:04:05Z"), source="crm/7",
        evidence="bought a kettle",
    )  # fmt: skip


def test_a_soft_opt_in_is_recorded_as_rules_count_it() -> None:
    for fields in ({"class": "soft_opt_in"}, {"class": "soft_opt_in", "basis": "soft_opt_in"}):
        line = consent(**fields)
        assert (line.consent_class, line.basis) == ("implied", "soft_opt_in")
    with pytest.raises(InvalidValue) as caught:
        consent(**{"class": "soft_opt_in", "basis": "purchase"})
    assert caught.value.code == "basis_unfit"


def test_a_revocation_needs_no_class() -> None:
    line = consent(granted="no", **{"class": ""})
    assert (line.granted, line.consent_class) == (False, "express")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"channel": ""}, "channel_unknown"),
        ({"channel": "pigeon"}, "channel_unknown"),
        ({"purpose": ""}, "purpose_unknown"),
        ({"purpose": "fun"}, "purpose_unknown"),
        ({"granted": ""}, "granted_unknown"),
        ({"granted": "maybe"}, "granted_unknown"),
        ({"class": ""}, "class_unknown"),
        ({"class": "explicit"}, "class_unknown"),
        ({"basis": "bought a kettle"}, "code"),
        ({"source": "Jane said so"}, "code"),
        ({"obtained": "02/01/2026"}, "moment"),
        ({"obtained": "2026-02-30"}, "moment"),
        ({"obtained": "2026-11-24"}, "moment_future"),
        ({"expires": "soon"}, "moment"),
        ({"obtained": "2026-01-02", "expires": "2026-01-02"}, "moment_order"),
        ({"evidence": "x" * (LONGEST_EVIDENCE + 1)}, "evidence_too_long"),
    ],
)
def test_a_cell_that_says_nothing_we_know_is_refused(fields: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidValue) as error:
        consent(**fields)
    assert error.value.code == code
    assert error.value.field in fields
    assert code in REJECT_CODES


@pytest.mark.parametrize(
    ("fields", "scope"),
    [
        ({}, "*"),
        ({"scope": "*"}, "*"),
        ({"scope": "", "channel": ""}, "*"),
        ({"channel": "SMS"}, "channel:sms"),
        ({"scope": "channel:voice"}, "channel:voice"),
        ({"scope": "channel:voice", "channel": "voice"}, "channel:voice"),
        ({"scope": "plan:sales-outreach"}, "plan:sales-outreach"),
    ],
)
def test_an_opt_out_is_from_everything_a_channel_or_a_plan(fields: dict[str, str], scope: str) -> None:
    assert read_opt_out(fields, reason="unsubscribed", now=NOW) == OptOutLine(
        scope=scope, reason="unsubscribed", since=None
    )


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"scope": "sms"}, "scope_unknown"),
        ({"scope": "channel:fax"}, "scope_unknown"),
        ({"scope": "plan:"}, "scope_unknown"),
        ({"scope": "list:dnc"}, "scope_unknown"),
        ({"scope": "*", "channel": "sms"}, "scope_unknown"),
        ({"channel": "fax"}, "channel_unknown"),
        ({"reason": "was angry"}, "code"),
        ({"date": "2027-01-01"}, "moment_future"),
        ({"date": "yesterday"}, "moment"),
    ],
)
def test_an_opt_out_that_cannot_be_read_is_refused(fields: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidValue) as error:
        read_opt_out(fields, reason="unsubscribed", now=NOW)
    assert error.value.code == code


def test_whom_a_row_is_about_is_compared_in_one_form() -> None:
    told = {"email": "Jane@Example.COM", "phone": "206 555 0101", "key": "K-1", "contact": "c_x"}
    assert read_subjects(told, "US") == {
        "email": "Jane@example.com", "phone": "+12065550101", "key": "K-1", "contact": "c_x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"email": "", "phone": ""}, "no_subject", None),
        ({"email": "not an address"}, "email_syntax", "email"),
        ({"phone": "2065550101"}, "phone_no_country", "phone"),
        ({"key": "k" * 201}, "key_too_long", "key"),
    ],
)
def test_a_row_about_nobody_is_refused(fields: dict[str, str], code: str, field: str | None) -> None:
    with pytest.raises(InvalidValue) as error:
        read_subjects(fields, None)
    assert (error.value.code, error.value.field) == (code, field)


@pytest.mark.parametrize(
    "text", ["2026-13-01", "1969-12-31", "0001-01-01", "26-1-1", "2026-11-23 25:00", "now", "11.12.2026"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as error:
        parse_moment(text)
    assert error.value.code == "moment"


# -- files ---------------------------------------------------------------------------------------------------------------


def read(path: Path, text: str, columns: Columns, **more: Any) -> tuple[list[dict[str, str]], list[tuple[int, str]]]:
    path.write_text(text)
    rejects: list[Reject] = []
    file = RowFile(path, columns, lambda fields, _line: dict(fields), on_reject=rejects.append, **more)
    return list(file.rows()), [(one.line, one.code) for one in rejects]


def test_columns_are_known_by_several_names(tmp_path: Path) -> None:
    text = "E-mail,Channel,Opted In,Consent Date\nada@x.example,email,yes,2026-01-01\n"
    rows, rejects = read(tmp_path / "c.csv", text, CONSENT_COLUMNS)
    assert rows == [{"email": "ada@x.example", "channel": "email", "granted": "yes", "obtained": "2026-01-01"}]
    assert rejects == []


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("email,chanel", "did you mean channel?"),
        ("email,channel,expire", "did you mean expires?"),
        ("email,channel,first_name", "take it out"),
        ("email,purpose", "no column is channel"),
        ("email,mail,channel", "are both email"),
    ],
)
def test_a_header_with_an_unknown_or_missing_column_is_refused(tmp_path: Path, header: str, says: str) -> None:
    with pytest.raises(Refused) as error:
        read(tmp_path / "c.csv", f"{header}\na,b,c\n", CONSENT_COLUMNS)
    assert says in str(error.value)


def test_rows_of_another_length_and_unreadable_cells_are_rejects(tmp_path: Path) -> None:
    rows, rejects = read(
        tmp_path / "o.csv", "email,channel\na@x.example\n,,\na@x.example,\x07\nb@x.example,sms\n", OPT_OUT_COLUMNS
    )
    assert rows == [{"email": "b@x.example", "channel": "sms"}]
    assert rejects == [(2, "short_row"), (4, "control_character")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("+12065550101\n+12065550102\n", [{"phone": "+12065550101"}, {"phone": "+12065550102"}]),
        ("a@x.example\n", [{"email": "a@x.example"}]),
        ("Phone number\n+12065550101\n", [{"phone": "+12065550101"}]),
        ("name,number,since\nAda,+12065550101,2020\n", [{"phone": "+12065550101"}]),
    ],
)
def test_a_list_may_have_no_header_or_other_columns(tmp_path: Path, text: str, rows: list[dict[str, str]]) -> None:
    assert read(tmp_path / "l.csv", text, LIST_COLUMNS) == (rows, [])


def test_a_list_of_several_columns_needs_a_header(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no column is email or phone"):
        read(tmp_path / "l.csv", "Ada,+12065550101\n", LIST_COLUMNS)


def test_a_rejects_file_comes_in_again_as_it_is(tmp_path: Path) -> None:
    path, rejects = tmp_path / "o.csv", tmp_path / "r.csv"
    path.write_text("email,channel\na@x.example,fax\nb@x.example,sms\n")

    def only(fields: object, line: int) -> object:
        del line
        read_opt_out(fields, reason="r", now=NOW)  # type: ignore[arg-type]
        return fields

    file = RowFile(path, OPT_OUT_COLUMNS, only, rejects=rejects)
    assert list(file.rows()) == [{"email": "b@x.example", "channel": "sms"}]
    assert file.rejects_file == rejects
    with pytest.raises(Refused, match="1 of 2 rows were rejected"):
        file.finish(allow_rejects=False)
    file.finish(allow_rejects=True)
    rejects.write_text(rejects.read_text("utf-8-sig").replace("fax", "sms"))
    again = RowFile(rejects, OPT_OUT_COLUMNS, only)
    assert list(again.rows()) == [{"email": "a@x.example", "channel": "sms"}]


def test_rows_are_counted_as_taken_repeated_or_rejected(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text("phone\n1\n1\n\n2\nbad,\n")
    seen: list[str] = []

    def reader(fields: object, line: int) -> str:
        del line
        (phone,) = map(str, fields.values())  # type: ignore[attr-defined]
        if phone in seen:
            raise Repeated
        seen.append(phone)
        return phone

    file = RowFile(path, LIST_COLUMNS, reader)
    assert list(file.rows()) == ["1", "2"]
    counts = file.counts
    assert (counts.rows, counts.taken, counts.repeated, counts.rejected) == (4, 2, 1, 1)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        list(RowFile(tmp_path / "none.csv", LIST_COLUMNS, lambda fields, _line: fields).rows())
