"""Consent: contact × channel × purpose, in force at this tick, of a class that the rule accepts."""

from __future__ import annotations

from dee_appliance.kernel.e1.policy import ConsentRule
from dee_appliance.kernel.e1.rules.months import months_passed
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF, Question, RuleAnswer, failed
from dee_appliance.kernel.e1.run import Consent, Contact


def in_force(contact: Contact, channel: str, purpose: str, tick: int) -> Consent | None:
    """Return the consent that counts: that of the purpose itself, else that of every purpose. None if absent, revoked or expired.

    A revocation for the purpose stands against a grant for every purpose, and the reverse.
    """
    own = contact.consents.get((channel, purpose))
    general = contact.consents.get((channel, "*"))
    if (own is not None and not own.granted) or (general is not None and not general.granted):
        return None
    for consent in (own, general):
        if consent is not None and (consent.expires is None or tick < consent.expires):
            return consent
    return None


def ask(rule: ConsentRule, question: Question) -> RuleAnswer:
    """Deny unless such a consent is in force; name the entry that is relied on."""
    consent = in_force(question.contact, question.channel, question.plan.purpose, question.tick)
    if consent is None:
        return failed(rule.on_fail, "no_consent", question.tick)
    values: dict[str, object] = {"class": consent.consent_class}
    if rule.classes and consent.consent_class not in rule.classes:
        return failed(rule.on_fail, "consent_class", question.tick, values=values)
    if rule.address and consent.to != question.contact.tokens.get(ADDRESS_OF[question.channel], ""):
        return failed(rule.on_fail, "consent_address", question.tick, values=values)
    if consent.consent_class == "implied" and rule.implied:
        values["basis"] = consent.basis
        months = rule.implied.get(consent.basis)
        if months is None:
            return failed(rule.on_fail, "consent_basis", question.tick, values=values)
        if months_passed(consent.obtained, months, question.tick):
            return failed(rule.on_fail, "consent_expired", question.tick, values=values)
    return RuleAnswer(verdict="pass", values=values, saw={"consent": consent.entry})
