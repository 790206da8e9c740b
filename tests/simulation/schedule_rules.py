"""Rules of every kind for random schedules, in policies and in packs, and the inputs that such rules ask for: facts and lists."""

from __future__ import annotations

import random  # noqa: TID251 - a schedule is drawn from its seed
from typing import Any

from schedule_documents import ZONES, random_hours, random_policy
from schedule_history import FEATURES, History

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.store.journal import Brought

JURISDICTIONS = ("US-FL", "US-TX", "US-NY-NYC", "US", "GB", "FR")
FACTS = ("registered", "emergency")
LISTS = ("dnc", "tps")


def random_rules(rng: random.Random, prefix: str) -> tuple[policies.Rule, ...]:
    """A few rules of the kinds that packs have; their ids begin with the prefix."""
    makers = (_cap, _fact, _content, _ratio, _rate, _listed, _window, _implied, _budget, _ramp)
    chosen = rng.sample(makers, rng.randint(1, 4))
    return tuple(make(rng, f"{prefix}{make.__name__.strip('_')}") for make in chosen)


def random_head(rng: random.Random) -> dict[str, Any]:
    """Whom a rule concerns, and when: mostly everybody, always."""
    head: dict[str, Any] = {}
    if rng.random() < 0.3:
        head["jurisdictions"] = tuple(rng.sample(JURISDICTIONS, 2))
    if rng.random() < 0.15:
        head["subscriber"] = rng.choice(["individual", "business"])
    if rng.random() < 0.2:
        head["effective_from"] = rng.choice(["2026-11-20", "2026-11-22"])
    if rng.random() < 0.2:
        head["effective_until"] = rng.choice(["2026-11-23", "2026-12-01"])
    if rng.random() < 0.2:
        head["unless"] = (rng.choice([policies.Ground(attribute="vip"), policies.Ground(fact="registered")]),)
    if rng.random() < 0.3:
        head["on_fail"] = "hold"
    return head


def _cap(rng: random.Random, rule: str) -> policies.Rule:
    scope = rng.choice([("contact",), ("contact", "plan"), ("contact", "var:amount"), ("address", "channel")])
    counts = rng.choice([(), ("email", "sms"), ("voice",), ("conversation",), ("refusal", "abandoned")])
    window: Any = rng.choice(
        [
            {"seconds": 86_400, "boundary": rng.choice(["closed", "half_open"])},
            {"days": rng.randint(1, 3)},
            {"days": 2, "also_seconds": 172_800},
            {"days": 1, "zone": rng.choice(ZONES)},
            {"month": True},
        ]
    )
    excluded = rng.choice([(), ("busy", "failed")])
    return policies.CapRule(
        id=rule,
        limit=rng.randint(1, 4),
        counts=counts,
        scope=scope,
        excluded_outcomes=excluded,
        **window,
        **random_head(rng),
    )


def _fact(rng: random.Random, rule: str) -> policies.Rule:
    ground = policies.Ground(fact=rng.choice(FACTS), holds=rng.random() < 0.6)
    return policies.FactRule(id=rule, require=(ground, policies.Ground(attribute="vip")), **random_head(rng))


def _content(rng: random.Random, rule: str) -> policies.Rule:
    return policies.ContentRule(id=rule, require=(rng.choice(FEATURES),), channels=("email",), **random_head(rng))


def _ratio(rng: random.Random, rule: str) -> policies.Rule:
    return policies.RatioRule(
        id=rule,
        numerator=("email.complained", "email.bounced"),
        denominator=("email.delivered",),
        max_per_10000=rng.choice([30, 5_000]),
        days=rng.randint(1, 3),
        scope=rng.choice(["file", "plan"]),
        channels=("email",),
    )


def _rate(rng: random.Random, rule: str) -> policies.Rule:
    return policies.RateRule(id=rule, limit=rng.randint(1, 5), seconds=rng.choice([1, 60, 3_600]))


def _listed(rng: random.Random, rule: str) -> policies.Rule:
    age = rng.choice([0, 1, 31])
    return policies.SuppressionRule(
        id=rule,
        lists=(rng.choice(LISTS),),
        max_age_days=age,
        reach=rng.choice(["channel", "everything"]),
        **random_head(rng),
    )


def _window(rng: random.Random, rule: str) -> policies.Rule:
    zone = rng.choice(["", "", "Etc/UTC"])
    return policies.WindowRule(
        id=rule,
        hours=random_hours(rng),
        zone=zone,
        personal=rng.random() < 0.5,
        guard_s=rng.choice([0, 300]),
        **random_head(rng),
    )


def _implied(rng: random.Random, rule: str) -> policies.Rule:
    return policies.ConsentRule(id=rule, classes=("implied", "express"), implied={"purchase": rng.choice([1, 24])})


def _budget(rng: random.Random, rule: str) -> policies.Rule:
    period: Any = rng.choice(["day", "month"])
    limit = rng.randint(200, 3_000)
    return policies.BudgetRule(
        id=rule,
        limit_micros=limit,
        currency="USD",
        period=period,
        zone=rng.choice(ZONES),
        on_fail=rng.choice(["deny", "hold"]),
    )


def _ramp(rng: random.Random, rule: str) -> policies.Rule:
    stages = (policies.Stage(since="2026-11-19", limit=rng.randint(1, 3)), policies.Stage(since="2026-11-22", limit=9))
    return policies.DailyLimitRule(id=rule, limit=2, ramp=stages)


# ---- what can happen -------------------------------------------------------------------------------------------------


def set_rich_policy(history: History) -> None:
    """A policy with rules of any kind comes into force."""
    policy = random_policy(history.rng)
    rules = (*policy.rules, *random_rules(history.rng, "own-"))
    body = canonical(policies.Policy(id=policy.id, rules=rules, rates=policy.rates))
    digest = document_digest("policy", body)
    history.admit(inputs.PolicySet(digest=digest), Brought(documents={digest: ("policy", body.decode())}))


def change_packs(history: History) -> None:
    """A pack comes into use, is replaced by another version, or is retired; some of it is refused."""
    rng = history.rng
    name = rng.choice(["alpha", "beta"])
    if rng.random() < 0.4:
        history.admit(inputs.PackRetire(pack=name))
        return
    prefix = f"{name}/" if rng.random() < 0.9 else "own-"
    rules = random_rules(rng, prefix)
    body = canonical(
        policies.Pack(id=name, version=str(rng.randint(1, 9)), as_of="2026-11-01", notice="none", rules=rules)
    )
    digest = document_digest("pack", body)
    told = digest if rng.random() < 0.95 else "b3:" + "0" * 64
    history.admit(inputs.PackUse(pack=name, digest=told), Brought(documents={digest: ("pack", body.decode())}))


def record_fact(history: History) -> None:
    rng = history.rng
    history.admit(inputs.FactSet(name=rng.choice(FACTS), value=rng.choice([True, True, False, None])))


def load_list(history: History) -> None:
    """A version of a list arrives and comes into use; now and then incomplete, too old or from the future."""
    rng = history.rng
    name = rng.choice(LISTS)
    version = history.journal.state.lists.version(name) + rng.choice([0, 1, 1, 1])
    tokens = tuple(rng.sample([f"{kind}-{number}" for kind in ("email", "phone") for number in range(8)], 3))
    history.admit(inputs.ListAdd(list=name, version=version, tokens=tokens))
    count = history.journal.state.lists.count(name, version) + rng.choice([0, 0, 0, 0, 1])
    as_of = history.tick - rng.choice([0, 3_600, 86_400 * 2, -60])
    history.admit(inputs.ListUse(list=name, version=version, as_of=as_of, count=count))


def happens_to_contact(history: History) -> None:
    """A conversation, a refusal, an implied consent."""
    rng = history.rng
    contact = rng.choice(history.contacts)
    if rng.random() < 0.5:
        history.admit(inputs.Event(name=rng.choice(["contact.conversation", "contact.refused"]), contact=contact))
        return
    channel: plans.Channel = rng.choice(["email", "sms", "voice"])
    basis = rng.choice(["purchase", "inquiry"])
    obtained = history.tick - rng.choice([0, 86_400 * 40])
    history.admit(
        inputs.ConsentSet(
            contact=contact, channel=channel, granted=True, consent_class="implied", basis=basis, obtained=obtained
        )
    )
