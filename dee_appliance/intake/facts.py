"""Facts: what is derived once from personal data at intake, so that a decision never needs the data themselves.

Lives here: the facts of a contact, keyed tokens of addresses, keyed commitments to a profile and to evidence. Does not live here:
normalising (addresses.py), the secrets (the vault holds them, the caller passes them).
Rules a change must keep: facts hold no personal data, only integers, strings, booleans and sorted lists; they are recorded in an
input, so equal arguments and equal number metadata give equal facts; every hash names its domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from blake3 import blake3

from dee_appliance.intake.addresses import describe_number, fold_email, recipient_domain
from dee_appliance.intake.calling_hours import parse_calling_hours
from dee_appliance.intake.whereabouts import jurisdictions_by_basis, zones_by_basis
from dee_appliance.kernel.e1.encoding import canonical, prefixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dee_appliance.intake.attribute_values import AttributeValue

TokenKind: TypeAlias = Literal["email", "phone", "key"]

SECRET_BYTES: Final = 32
"""The length of a file secret and of a contact secret: the key size of BLAKE3."""

_TOKEN_DOMAIN: Final = b"dee.address-token.v1"
_PROFILE_DOMAIN: Final = b"dee.profile-commitment.v1"
_EVIDENCE_DOMAIN: Final = b"dee.evidence-commitment.v1"


def derive_facts(
    profile: Mapping[str, str], attributes: Mapping[str, AttributeValue], *, known_zones: frozenset[str]
) -> dict[str, object]:
    """Return the facts of a contact whose values are already normalised; `known_zones` are the ids of the file's zone table.

    present: sorted names of profile fields. zones and jurisdictions: by basis, `address`, `declared` and `number`; all that stand
    there are plausible, an empty list is "this basis says nothing". hours: the spans of the attribute `calling_hours` for each
    weekday, absent without it. subscriber: the attribute, "" when it is not known. phone_prefix and email_domain: "" when there
    is none. channels: those the contact has an address for.
    """
    email = profile.get("email", "")
    number = describe_number(profile["phone"]) if profile.get("phone") else None
    facts: dict[str, object] = {
        "channels": (["email"] if email else []) + (["sms", "voice"] if number else []),
        "email_domain": recipient_domain(email),
        "jurisdictions": jurisdictions_by_basis(profile, attributes, number),
        "phone_prefix": number.prefix if number else "",
        "present": sorted(profile),
        "subscriber": str(attributes.get("subscriber", "")),
        "zones": zones_by_basis(profile, attributes, number, known_zones),
    }
    if hours := attributes.get("calling_hours"):
        facts["hours"] = [[list(span) for span in day] for day in parse_calling_hours(str(hours))]
    return facts


def address_token(file_secret: bytes, kind: TokenKind, normalised: str) -> str:
    """Return the keyed token (64 hex digits) of an address or customer key: equal for every spelling of one address, and useless
    without the file secret, though all phone numbers of the world could be tried in seconds.

    `normalised` comes from normalise_email or normalise_phone; a key is taken as it is. `file_secret` is 32 bytes.
    """
    text = fold_email(normalised) if kind == "email" else normalised
    return blake3(prefixed(_TOKEN_DOMAIN, kind.encode(), text.encode()), key=_secret(file_secret)).hexdigest()


def address_tokens(file_secret: bytes, profile: Mapping[str, str], key: str | None) -> dict[TokenKind, str]:
    """Return the tokens of everything that identifies a contact, by kind; only the kinds it has."""
    given: dict[TokenKind, str | None] = {"email": profile.get("email"), "key": key, "phone": profile.get("phone")}
    return {kind: address_token(file_secret, kind, text) for kind, text in given.items() if text}


def profile_commitment(contact_secret: bytes, profile: Mapping[str, str]) -> str:
    """Return the commitment (64 hex digits) to a whole profile, keyed with the contact's secret (32 bytes).

    Equal profiles of one contact give equal commitments; once the secret is erased the commitment says nothing.
    """
    return blake3(prefixed(_PROFILE_DOMAIN, canonical(dict(profile))), key=_secret(contact_secret)).hexdigest()


def evidence_commitment(contact_secret: bytes, text: str) -> str:
    """Return the commitment (64 hex digits) to the evidence of a consent, keyed with the contact's secret (32 bytes).

    It stands in the log; the text is in the vault. Once the secret is erased the commitment says nothing.
    """
    return blake3(prefixed(_EVIDENCE_DOMAIN, text.encode()), key=_secret(contact_secret)).hexdigest()


def _secret(secret: bytes) -> bytes:
    if len(secret) != SECRET_BYTES:
        raise AssertionError(f"a secret has {SECRET_BYTES} bytes, not {len(secret)}")
    return secret
