"""The places that a rule may name: whether a contact can be in one.

A rule for a place that does not exist would never be asked, and nobody would notice: of all mistakes in a pack this one makes it
looser. So countries must be known, and so must the parts of those countries of which all parts are listed here. Where a contact
may be is derived at intake, in the same words: the overseas parts that share their country's law are parts of it, not countries.
"""

from __future__ import annotations

_COUNTRIES = """
AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH
CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GG GH GI GL GM GN
GQ GR GS GT GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK
LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MO MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF
PG PH PK PL PM PN PS PT PW PY QA RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH
TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VN VU WF WS XK YE ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRIES.split())
"""ISO 3166-1, and the two-letter codes beside it that telephone numbers have."""

PARTS_WITH_A_COUNTRY_CODE = {
    "AS": "US-AS",
    "AX": "FI-01",
    "GF": "FR-973",
    "GP": "FR-971",
    "GU": "US-GU",
    "MF": "FR-MF",
    "MP": "US-MP",
    "MQ": "FR-972",
    "PR": "US-PR",
    "RE": "FR-974",
    "VI": "US-VI",
    "YT": "FR-976",
}
"""A rule for the country holds in them as well; they are written as its parts."""

_STATES = """
AK AL AR AS AZ CA CO CT DC DE FL GA GU HI IA ID IL IN KS KY LA MA MD ME MI MN MO MP MS MT NC ND NE NH NJ NM NV NY NY-NYC OH OK OR
PA PR RI SC SD TN TX UT VA VI VT WA WI WV WY
"""
PARTS: dict[str, frozenset[str]] = {
    "AU": frozenset({"ACT", "NSW", "NT", "QLD", "SA", "TAS", "VIC", "WA"}),
    "CA": frozenset({"AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"}),
    "US": frozenset(_STATES.split()),
}
"""ISO 3166-2 of the countries whose parts are all known, without the country; US-NY-NYC is New York City."""


def fault_of_jurisdiction(code: str) -> tuple[str, str] | None:
    """Return what is wrong with a code of the right form, and what to write instead; None when it is a place."""
    country, _, part = code.partition("-")
    if code in PARTS_WITH_A_COUNTRY_CODE:
        whole = PARTS_WITH_A_COUNTRY_CODE[code]
        return f'"{code}" is a part of {whole[:2]}', f'write "{whole}"; a rule for "{whole[:2]}" holds there too'
    if country not in COUNTRIES:
        hint = 'write "GB"' if country == "UK" else "write the two letters of ISO 3166"
        if country == "EU":
            hint = "list its member states"
        return f'there is no country "{country}"', hint
    if part and country in PARTS and part not in PARTS[country]:
        return f'{country} has no part "{part}"', "write the code of ISO 3166-2, as in US-FL"
    return None
