"""Facts, tokens and commitments: what decisions see instead of personal data."""

from __future__ import annotations

from importlib.resources import files

import pytest

from dee_appliance.intake import facts as intake_facts
from dee_appliance.intake.attribute_values import AttributeValue
from dee_appliance.intake.facts import address_token, address_tokens, profile_commitment
from dee_appliance.kernel.e1.encoding import canonical

SECRET = bytes(range(32))
OTHER_SECRET = bytes(range(1, 33))
ZONES = frozenset(files("tzdata").joinpath("zones").read_text().split())
PROFILE = {"email": "Ana.Silva@example.com", "phone": "+12065550100", "first_name": "Ana", "company": "Alder Tools"}


def derive_facts(profile: dict[str, str], attributes: dict[str, AttributeValue]) -> dict[str, object]:
    return intake_facts.derive_facts(profile, attributes, known_zones=ZONES)


def test_facts_say_what_is_present_where_the_contact_may_be_and_when_it_may_be_called() -> None:
    profile = {**PROFILE, "state": "Alberta"}
    attributes: dict[str, AttributeValue] = {
        "timezone": "America/New_York",
        "country": "CA",
        "subscriber": "business",
        "calling_hours": "Mon 12:00-18:00; Sat 10:00-14:00, 22:00-02:00",
    }
    assert derive_facts(profile, attributes) == {
        "channels": ["email", "sms", "voice"],
        "email_domain": "example.com",
        "hours": [[[43200, 64800]], [], [], [], [], [[36000, 50400], [79200, 93600]], []],
        "jurisdictions": {"address": ["CA-AB"], "declared": ["CA"], "number": ["US-WA"]},
        "phone_prefix": "+1206",
        "present": ["company", "email", "first_name", "phone", "state"],
        "subscriber": "business",
        "zones": {
            "address": ["America/Edmonton"],
            "declared": ["America/New_York"],
            "number": ["America/Los_Angeles"],
        },
    }


def test_facts_of_a_contact_with_nothing_but_an_email_address_have_every_key() -> None:
    assert derive_facts({"email": "a@example.org"}, {}) == {
        "channels": ["email"],
        "email_domain": "example.org",
        "jurisdictions": {"address": [], "declared": [], "number": []},
        "phone_prefix": "",
        "present": ["email"],
        "subscriber": "",
        "zones": {"address": [], "declared": [], "number": []},
    }


def test_facts_have_a_canonical_form_and_hold_no_personal_data() -> None:
    profile = {**PROFILE, "street": "1 Elm Row", "city": "Poughkeepsie", "state": "NY", "postal_code": "12601"}
    text = canonical(derive_facts(profile, {"timezone": "Europe/London"})).decode()
    for secret in ("Ana", "Silva", "ana.silva", "5550100", "Alder", "Elm", "Poughkeepsie", "12601"):
        assert secret not in text


def test_the_order_of_profile_fields_changes_no_fact() -> None:
    backwards = dict(reversed(PROFILE.items()))
    assert canonical(derive_facts(backwards, {})) == canonical(derive_facts(PROFILE, {}))


def test_a_token_is_the_same_for_every_spelling_of_an_address_and_different_for_every_secret() -> None:
    token = address_token(SECRET, "email", "Ana@example.com")
    assert token == address_token(SECRET, "email", "ana@example.com")
    assert token != address_token(OTHER_SECRET, "email", "ana@example.com")
    assert len(token) == 64


def test_the_same_text_as_key_and_as_phone_number_gives_different_tokens() -> None:
    tokens = {kind: address_token(SECRET, kind, "+12065550100") for kind in ("email", "phone", "key")}
    assert len(set(tokens.values())) == 3


def test_a_customer_key_is_not_folded() -> None:
    assert address_token(SECRET, "key", "ab") != address_token(SECRET, "key", "AB")


def test_a_token_stays_what_it_was_in_earlier_releases() -> None:
    assert address_token(SECRET, "email", "ana@example.com") == (
        "c71b1abfefa983a87c0d2cf08e6d667f601567a94a92f43ecb9a4505bb040a50"
    )


def test_tokens_are_made_of_what_the_contact_has() -> None:
    assert set(address_tokens(SECRET, PROFILE, "C-1")) == {"email", "phone", "key"}
    assert set(address_tokens(SECRET, {"email": "a@example.com"}, None)) == {"email"}


def test_a_commitment_depends_on_every_value_and_on_the_secret_but_not_on_order() -> None:
    commitment = profile_commitment(SECRET, PROFILE)
    assert commitment == profile_commitment(SECRET, dict(reversed(PROFILE.items())))
    assert commitment != profile_commitment(OTHER_SECRET, PROFILE)
    assert commitment != profile_commitment(SECRET, {**PROFILE, "company": "Alder"})
    assert commitment != profile_commitment(SECRET, {**PROFILE, "city": ""})


@pytest.mark.parametrize("secret", [b"", b"short", bytes(31), bytes(33)])
def test_a_secret_of_the_wrong_length_is_a_fault_of_the_program(secret: bytes) -> None:
    with pytest.raises(AssertionError):
        address_token(secret, "email", "ana@example.com")
