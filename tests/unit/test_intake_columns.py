"""Columns: recognised names, explicit mappings, and headers that are refused."""

from __future__ import annotations

import pytest

from dee_appliance.errors import Refused, Usage
from dee_appliance.intake.attribute_values import ATTRIBUTE_TYPES
from dee_appliance.intake.column_mapping import (
    RECOGNISED,
    ColumnMapping,
    ResolvedColumns,
    parse_mapping,
    plain_name,
    resolve_columns,
)


def resolve(header: str, *pairs: str, automatic: bool = True) -> ResolvedColumns:
    return resolve_columns(tuple(header.split(",")), parse_mapping(pairs, automatic=automatic), where="list.csv:1")


def used(resolved: ResolvedColumns) -> dict[str, str]:
    return {column.target: column.column for _, column in resolved.used}


def test_common_header_names_are_recognised_whatever_their_case_and_punctuation() -> None:
    resolved = resolve(
        "Customer ID,First Name,LASTNAME,E-mail Address,Mobile Phone,Company Name,Time Zone,Country/Region,Tier"
    )
    assert used(resolved) == {
        "key": "Customer ID",
        "first_name": "First Name",
        "last_name": "LASTNAME",
        "email": "E-mail Address",
        "phone": "Mobile Phone",
        "company": "Company Name",
        "timezone": "Time Zone",
        "country": "Country/Region",
        "attribute.tier": "Tier",
    }
    assert resolved.attribute_types == {"tier": "enum"}


def test_your_own_key_may_be_called_what_we_call_it() -> None:
    assert used(resolve("Key,email")) == {"key": "Key", "email": "email"}


def test_what_says_where_and_when_a_person_may_be_reached_is_recognised() -> None:
    resolved = resolve("email,Region,State,Street Address,ZIP,Address Country,Calling Hours,Subscriber Type")
    assert used(resolved) == {
        "email": "email",
        "region": "Region",
        "state": "State",
        "street": "Street Address",
        "postal_code": "ZIP",
        "address_country": "Address Country",
        "calling_hours": "Calling Hours",
        "subscriber": "Subscriber Type",
    }


def test_a_column_that_nothing_recognises_is_reported_as_unused() -> None:
    assert resolve("email,Favourite colour").unused == ("Favourite colour",)


def test_two_columns_that_could_be_one_field_are_refused_until_one_is_chosen() -> None:
    with pytest.raises(Refused, match="“Phone” and “Mobile” could both be phone"):
        resolve("email,Phone,Mobile")
    chosen = resolve("email,Phone,Mobile", "phone=Mobile")
    assert used(chosen)["phone"] == "Mobile"
    assert chosen.unused == ("Phone",)


def test_a_mapping_makes_typed_attributes_and_profile_fields_of_any_column() -> None:
    resolved = resolve("Mail: work,Level,Nick", "email=Mail: work", "attribute.level=Level:int", "nickname=Nick")
    assert used(resolved) == {"email": "Mail: work", "attribute.level": "Level", "nickname": "Nick"}
    assert resolved.attribute_types == {"level": "int"}


def test_a_header_may_name_the_attribute_and_its_type_itself() -> None:
    assert resolve("email,attribute.seats:int").attribute_types == {"seats": "int"}


def test_a_field_can_be_left_out_though_a_column_looks_like_it() -> None:
    resolved = resolve("email,tier,city", "tier=", "city=")
    assert used(resolved) == {"email": "email"}
    assert resolved.unused == ("tier", "city")


def test_without_automatic_mapping_only_the_named_columns_are_used() -> None:
    assert used(resolve("email,phone", "phone=phone", automatic=False)) == {"phone": "phone"}


def test_a_mapped_column_is_found_in_other_case() -> None:
    assert used(resolve("E-MAIL", "email=e-mail", automatic=False)) == {"email": "E-MAIL"}


@pytest.mark.parametrize(
    ("header", "pairs", "said"),
    [
        ("email,,phone", (), "column 2 has no name"),
        ("email,name,Email", (), "columns 1 and 3 have the same name"),
        ("email,e-mail,E mail", (), "columns 2 and 3 have the same name"),
        ("first name,company", (), "no column is an e-mail address or a phone number"),
        ("email,company", ("company=Firma",), "there is no column “Firma”"),
        ("email", ("email=email", "work_mail=EMAIL"), "one column is mapped to two fields"),
        (",".join(f"c{n}" for n in range(257)), (), "more than 256 columns"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_in_words_and_with_its_line(
    header: str, pairs: tuple[str, ...], said: str
) -> None:
    with pytest.raises(Refused, match=said) as refusal:
        resolve(header, *pairs)
    assert refusal.value.where == "list.csv:1"


@pytest.mark.parametrize(
    "pair",
    [
        "email",
        "=Email",
        "First Name=Name",
        "attribute.tier=Tier",
        "attribute.tier=Tier:float",
        "attribute.email=Email:enum",
        "attribute.timezone=Zone:zone",
        "attribute.region=Region:enum",
        "attribute.calling_hours=Hours:enum",
        "attribute.subscriber=Kind:enum",
        "attribute.=Tier:enum",
    ],
)
def test_a_mapping_that_is_not_understood_is_a_usage_error(pair: str) -> None:
    with pytest.raises(Usage):
        parse_mapping([pair])


def test_one_field_cannot_be_filled_from_two_columns() -> None:
    with pytest.raises(Usage, match="two columns"):
        parse_mapping(["tier=A", "attribute.tier=B:enum"])


def test_the_columns_of_a_rejects_file_are_neither_used_nor_reported() -> None:
    resolved = resolve("reject_line,reject_code,reject_reason,email")
    assert used(resolved) == {"email": "email"}
    assert resolved.unused == ()


def test_no_recognised_name_means_two_fields_and_each_is_in_plain_form() -> None:
    names = [name for synonyms in RECOGNISED.values() for name in synonyms]
    assert len(names) == len(set(names))
    assert all(plain_name(name) == name for name in names)
    types = {target.partition(":")[2] for target in RECOGNISED if ":" in target}
    assert types <= set(ATTRIBUTE_TYPES)


def test_no_mapping_at_all_is_the_automatic_one() -> None:
    assert used(resolve_columns(("email",), ColumnMapping(), where="list.csv:1")) == {"email": "email"}
