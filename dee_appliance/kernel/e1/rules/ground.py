"""Grounds: what lifts a rule, or what a fact rule requires. A ground that cannot be known does not hold."""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import OutOfRange, UnknownZone, local_day, parse_iso_date
from dee_appliance.kernel.e1.policy import Ground
from dee_appliance.kernel.e1.rulebook import FIRST_ZONE
from dee_appliance.kernel.e1.rules.consent import in_force
from dee_appliance.kernel.e1.rules.months import add_months
from dee_appliance.kernel.e1.rules.question import Question


def holds(ground: Ground, question: Question) -> bool:
    """Tell whether a ground holds for the send at its tick."""
    if ground.fact:
        recorded = question.facts.get(ground.fact)
        return recorded is not None and recorded[0] == ground.holds
    if ground.consent:
        consent = in_force(question.contact, question.channel, question.plan.purpose, question.tick)
        return consent is not None and consent.consent_class == ground.consent
    value = question.contact.attributes.get(ground.attribute)
    if not ground.months:
        return value is True
    return isinstance(value, str) and _within(value, ground.months, question)


def _within(date: str, months: int, question: Question) -> bool:
    """Tell whether the date and so many months have not passed, by the latest date that it may be where the contact is."""
    try:
        day = parse_iso_date(date)
        zones = question.places.zones or (FIRST_ZONE,)
        today = max(local_day(question.zones, zone, question.tick) for zone in zones)
    except (ValueError, UnknownZone, OutOfRange):
        return False
    return day <= today < add_months(day, months)
