"""Facts of arbitrary contacts: canonical, stable, of the types the kernel wants, and without personal data."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from dee_appliance.intake.attribute_values import AttributeValue
from dee_appliance.intake.calling_hours import format_calling_hours, parse_calling_hours
from dee_appliance.intake.contacts import SUBSCRIBERS, ExistingContact, merge_contact, prepare_contact
from dee_appliance.intake.facts import derive_facts
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.subdivisions import subdivisions
from dee_appliance.kernel.e1.civil_time import Window
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.input import ContactPut, decode_input, encode_input

ZONES: Final = frozenset(files("tzdata").joinpath("zones").read_text().split())
CODES: Final = sorted(subdivisions())
COUNTRIES: Final = ["AU", "CA", "DE", "FR", "GB", "PR", "RU", "US"]

area_codes = st.integers(201, 999).filter(lambda area: area % 100 != 11).map(lambda area: f"+1{area}5550100")
phones = area_codes | st.sampled_from(["+447700900123", "+80012345678", "+262692123456", "+79161234567"])
states = st.sampled_from(CODES) | st.sampled_from([code[3:] for code in CODES]) | st.text(max_size=12)
profiles = st.fixed_dictionaries(
    {"email": st.just("somebody@example.com")},
    optional={
        "phone": phones,
        "state": states,
        "city": st.sampled_from(["New York", "Brooklyn", "Lyon"]) | st.text(max_size=12),
        "postal_code": st.integers(10_000, 11_999).map(str) | st.text(max_size=10),
        "address_country": st.sampled_from(COUNTRIES),
        "street": st.just("17 Hidden Lane"),
    },
)
hours_of_a_day = st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda span: span[0] != span[1] % 1440)
written_hours = st.lists(
    st.tuples(
        st.sampled_from(["Mon", "Tue-Thu", "Sat,Sun", "Fri-Mon"]), st.lists(hours_of_a_day, min_size=1, max_size=3)
    ),
    min_size=1,
    max_size=4,
).map(lambda groups: "; ".join(f"{days} {', '.join(map(_span, spans))}" for days, spans in groups))


def _span(span: tuple[int, int]) -> str:
    return "-".join(f"{minute // 60}:{minute % 60:02d}" for minute in span)


attributes_of_contacts = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(COUNTRIES),
        "region": st.sampled_from(CODES),
        "timezone": st.sampled_from(["America/New_York", "Europe/Paris"]),
        "calling_hours": written_hours,
        "subscriber": st.sampled_from(SUBSCRIBERS),
    },
)


@given(profiles, attributes_of_contacts)
def test_facts_are_canonical_stable_and_taken_by_the_kernel(
    profile: dict[str, str], attributes: dict[str, AttributeValue]
) -> None:
    facts = derive_facts(profile, attributes, known_zones=ZONES)
    backwards = derive_facts(
        dict(reversed(profile.items())), dict(reversed(attributes.items())), known_zones=frozenset(sorted(ZONES))
    )
    assert canonical(facts) == canonical(backwards)
    put = ContactPut(contact="c_1", facts=facts)
    assert decode_input("contact.put", encode_input(put)) == put
    for part in ("zones", "jurisdictions"):
        by_basis = facts[part]
        assert isinstance(by_basis, dict)
        assert list(by_basis) == ["address", "declared", "number"]
        assert all(found == sorted(set(found)) for found in by_basis.values())
    assert "Hidden" not in canonical(facts).decode()
    if (
        profile.get("phone", "+800").startswith("+800")
        and not attributes
        and not {"state", "address_country"} & profile.keys()
    ):
        assert facts["jurisdictions"] == {"address": [], "declared": [], "number": []}


@given(profiles, attributes_of_contacts)
def test_a_contact_that_was_taken_in_gives_the_same_facts_when_it_is_merged_with_itself(
    profile: dict[str, str], attributes: dict[str, str]
) -> None:
    try:
        contact = prepare_contact(
            {**profile, **attributes}, attribute_types={}, known_zones=ZONES, draw_id=lambda: "c_1"
        )
    except InvalidValue as problem:
        assert problem.code in {"region_unknown", "control_character", "damaged_text", "phone_impossible"}  # noqa: PT017
        return
    known = ExistingContact(contact="c_1", profile=contact.profile, attributes=contact.attributes)
    assert merge_contact(contact, known, known_zones=ZONES) == contact


@given(written_hours)
def test_hours_that_were_read_are_a_window_and_are_read_again_as_the_same(text: str) -> None:
    weekly = parse_calling_hours(text)
    assert Window(weekly=weekly).weekly == weekly
    assert any(weekly)
    kept = format_calling_hours(weekly)
    assert parse_calling_hours(kept) == weekly
    assert format_calling_hours(parse_calling_hours(kept)) == kept
