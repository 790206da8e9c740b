"""What the codes of refused inputs mean to a person: one sentence each, and what to do next.

The kernel records a closed code; nothing here decides. A code of the kernel that is not in this table fails a test.
"""

from __future__ import annotations

from dee_appliance.errors import Refused

REFUSALS: dict[str, tuple[str, str]] = {
    "abandoned": ("nobody knows whether the message was sent, and a person gave up on it", "dee run skip RUN"),
    "address_taken": ("another contact has this address", "dee contact find TEXT"),
    "already_accepted": ("the provider has this message already", "dee run resume RUN"),
    "already_enrolled": ("the plan takes a contact only once", "dee run list --contact CONTACT"),
    "attribute_type": (
        "an attribute of the contact does not have the type that the plan declares",
        "dee plan show PLAN",
    ),
    "duplicate_rules": (
        "a policy or pack in use has rules of the same ids",
        "dee policy pack list",
    ),
    "erased": ("the contact was erased", "dee contact find TEXT"),
    "exclusive": ("another run with the same purpose is live for this contact", "dee run list --contact CONTACT"),
    "in_the_future": ("the list is of a later time than the file's clock", "give the time at which it was taken"),
    "illegal_status": ("the run's status does not allow it", "dee run show RUN"),
    "in_flight": ("a provider has the message and has not answered yet", "wait for the answer, then try again"),
    "incomplete": ("not all addresses of the list have arrived", "import the list again"),
    "incarnation": ("another process has armed the file meanwhile", "dee arm"),
    "malformed": ("the input cannot be read", "report this: the command made an input that the engine does not know"),
    "malformed_document": (
        "the document is not one that the engine can keep to",
        "write it as a file and let dee policy check, or dee policy pack check, say what is wrong with it",
    ),
    "min_gap": ("the plan's smallest gap since the last run has not passed", "dee run list --contact CONTACT"),
    "missing_attribute": ("the contact lacks an attribute that the plan needs", "dee plan show PLAN"),
    "no_choice": ("nobody said what became of the message", "dee run resolve RUN --as delivered"),
    "no_task": ("the run does not wait for a person", "dee task list"),
    "not_confirmed": ("the run failed and its message was not accepted", "dee run retry RUN"),
    "not_in_use": ("no pack of this id is in use", "dee policy pack list"),
    "not_newer": ("this epoch, or a later one, decides already", "dee upgrade --dry-run"),
    "not_held": ("nothing of this scope is halted", "dee status"),
    "not_skippable": (
        "the plan does not allow to skip this step",
        "write `skippable = true` into the step of a next version",
    ),
    "not_suppressed": ("nothing of this scope is suppressed", "dee suppress list"),
    "nothing_after": ("nothing follows this step", "dee run show RUN"),
    "nothing_to_resolve": ("the outcome of the run's message is not unknown", "dee run show RUN"),
    "outcome_unknown": ("nobody knows whether the message was sent", "dee run resolve RUN"),
    "still_live": ("an earlier run of this plan is still live for the contact", "dee run list --contact CONTACT"),
    "too_many": ("too many addresses at once", "import the list with dee suppress import"),
    "unknown_attempt": ("there is no such attempt", "dee log --action answer"),
    "unknown_contact": ("there is no such contact", "dee contact find TEXT"),
    "unknown_document": ("the document is not in the file", "dee verify"),
    "unknown_outcome": ("the step knows no such outcome", "dee task list"),
    "unknown_plan": ("there is no such plan", "dee plan list"),
    "unknown_run": ("there is no such run", "dee run list"),
    "unknown_schema": (
        "the plan is written in a plan schema that the epoch of this file does not have",
        "dee upgrade, with a newer DEE if this one has nothing to upgrade to",
    ),
    "unknown_send": ("nothing with this send key was ever sent", "dee run show RUN"),
    "unknown_setting": ("there is no such setting", "dee config list"),
    "variables": ("the variables are not those that the plan declares", "dee plan show PLAN"),
    "version_exists": (
        "this version is published already, with other content",
        "raise `version` in the plan file: a published version never changes",
    ),
    "version_in_use": ("this version of the list, or a later one, is in use", "dee suppress lists"),
    "wrong_type": ("the setting takes a value of another type", "dee config list"),
}


def said(code: str) -> str:
    """Return the sentence of a code; a code from a newer file stands for itself."""
    return REFUSALS[code][0] if code in REFUSALS else code


def refused(code: str, where: str) -> Refused:
    """Return the error of an input that was admitted, recorded and refused."""
    what, hint = REFUSALS.get(code, (code, "the refusal is in the log: dee log --limit 5"))
    return Refused(f"{what} ({code})", where=where, hint=hint)
