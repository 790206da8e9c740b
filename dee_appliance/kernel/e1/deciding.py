"""What this epoch decides with, in one place: the functions that a file asks. Nothing else of the epoch decides anything.

What crosses this border (inputs, snapshots, decisions, plans, policies) is the same for every epoch. `kernel/epochs.py` says what
each of these is for.
"""

from __future__ import annotations

import msgspec

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.compiled import CompiledPlan, plan_schema, read_plan
from dee_appliance.kernel.e1.file_input import decide_file, hold_released, malformed, nothing_to_do
from dee_appliance.kernel.e1.gate import ask_gate, needed_counters, next_permitted
from dee_appliance.kernel.e1.input import decode_input
from dee_appliance.kernel.e1.machine import decide, decide_due, decide_pull
from dee_appliance.kernel.e1.plan import PLAN_SCHEMAS, Channel, Plan, decode_plan
from dee_appliance.kernel.e1.policy import Pack, Policy, Rule, decode_pack, decode_policy, rules_for
from dee_appliance.kernel.e1.rule_limits import read_pack, read_policy
from dee_appliance.kernel.e1.rulebook import Rulebook
from dee_appliance.kernel.e1.sending import verdict_on
from dee_appliance.kernel.e1.steps import wait_due

__all__ = [
    "PLAN_SCHEMAS",
    "ask_gate",
    "book_of",
    "book_of_rules",
    "compile_plan",
    "decide",
    "decide_due",
    "decide_file",
    "decide_pull",
    "decode_input",
    "decode_pack",
    "decode_policy",
    "hold_released",
    "malformed",
    "needed_counters",
    "next_permitted",
    "nothing_to_do",
    "plan_schema",
    "read_pack",
    "read_plan",
    "read_policy",
    "verdict_on",
    "wait_due",
    "zone_table",
]


def compile_plan(body: bytes, digest: str) -> CompiledPlan:
    """Return a published plan, ready to be executed."""
    return CompiledPlan(decode_plan(body), digest)


def zone_table(body: bytes) -> ZoneTable:
    """Return the time-zone table of a document. Raises msgspec.DecodeError or EvidenceError when it is none."""
    return ZoneTable(msgspec.json.decode(body))


def book_of_rules(rules: tuple[Rule, ...]) -> Rulebook:
    """Return rules, ready to be asked."""
    return Rulebook(rules)


def book_of(policy: Policy, plan: Plan, channel: Channel, packs: tuple[Pack, ...]) -> Rulebook:
    """Return what a send of a plan on a channel must pass."""
    return Rulebook(rules_for(policy, plan, channel, packs))
