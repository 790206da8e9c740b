"""Why one value, row or contact was not taken: a closed code and a sentence for a person.

Lives here: the closed codes and the exceptions that carry them. Does not live here: the checks themselves.
Rules a change must keep: a code is never renamed (people filter rejects files by it); a reason says what to write instead; a
reason may quote a fragment of what was given, so reasons go to the person and to the rejects file, never into the file's log.
"""

from __future__ import annotations

from typing import Final

from dee_appliance.errors import Refused

REJECT_CODES: Final[dict[str, str]] = {
    "attribute_bool": "a yes/no attribute holds something else",
    "attribute_date": "a date attribute is not a real date in the declared form",
    "attribute_enum": "a short-text attribute is too long or has characters that are not allowed",
    "attribute_int": "a whole-number attribute holds something else or is out of range",
    "attribute_name": "an attribute or profile name is not a plain lower-case name",
    "basis_unfit": "a soft opt-in names another basis than itself",
    "calling_hours": "the personal calling hours are not days and hours in the form we read",
    "channel_unknown": "the channel is none of email, sms and voice",
    "class_unknown": "the class of a consent is none that we know",
    "code": "a code or reference is empty, too long, or holds more than letters, digits and . _ - : / #",
    "contact_erased": "the contact was erased: nothing can be kept of the person",
    "contact_unknown": "no contact of the file has this id, address or key",
    "control_character": "a value contains a control character, NUL included",
    "country_unknown": "the country is not an ISO 3166 two-letter code we know",
    "damaged_text": "a value contains U+FFFD or a lone surrogate: it was damaged before it came here",
    "different_contacts": "the row names two different contacts",
    "duplicate_consent": "an earlier row speaks of the same contact, channel and purpose",
    "duplicate_email": "the same e-mail address, in any case, stands in an earlier row",
    "duplicate_key": "the same customer key stands in an earlier row",
    "duplicate_phone": "the same phone number stands in an earlier row, and this row has no e-mail address",
    "email_empty": "the e-mail address is empty",
    "email_syntax": "the e-mail address is not one that mail can be sent to",
    "evidence_too_long": "the evidence is longer than 4,000 characters",
    "field_too_long": "a value is longer than 65,536 characters",
    "granted_unknown": "granted is neither yes nor no",
    "key_too_long": "the customer key is longer than 200 characters",
    "long_row": "the row has more cells than the header",
    "moment": "a date and time is not real, or not written as 2026-11-23 or 2026-11-23T09:00:00Z",
    "moment_future": "something that has happened is dated in the future",
    "moment_order": "a consent ends before it was obtained",
    "no_address": "the row has neither an e-mail address nor a phone number",
    "no_subject": "the row does not say whom it is about",
    "phone_empty": "the phone number is empty",
    "phone_extension": "the phone number has an extension, which cannot be dialled or texted",
    "phone_impossible": "no number of that country looks like this",
    "phone_no_country": "the number has no leading + and no country says how to read it",
    "phone_spreadsheet": "a spreadsheet turned the number into a decimal or scientific number",
    "phone_syntax": "the phone number contains something that is not part of a number",
    "phone_too_long": "the phone number has too many digits for its country",
    "phone_too_short": "the phone number has too few digits for its country",
    "plan_unknown": "there is no plan of this name",
    "purpose_unknown": "the purpose is neither * nor one that plans have",
    "region_unknown": "the region is not an ISO 3166-2 code, nor a state or province of the contact's country",
    "scope_unknown": "the scope is none of *, channel:NAME and plan:NAME",
    "short_row": "the row has fewer cells than the header",
    "subscriber_unknown": "the subscriber is neither an individual nor a business",
    "zone_ambiguous": "the time zone is an abbreviation or a fixed offset, not a place",
    "zone_unknown": "the time zone is not an IANA id we know",
}


class InvalidValue(Refused):
    """One value was not taken. `code` is a key of REJECT_CODES, `field` the contact field it was meant for, if known."""

    def __init__(self, code: str, reason: str, *, field: str | None = None) -> None:
        if code not in REJECT_CODES:
            raise AssertionError(f"{code} is not in the closed list of codes")
        super().__init__(reason, where=field)
        self.code = code
        self.reason = reason
        self.field = field


class AddressInvalid(InvalidValue):
    """An e-mail address or phone number was not taken."""
