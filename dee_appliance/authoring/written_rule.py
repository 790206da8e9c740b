"""The rules of the gate as people write them, in policies and in packs alike: the types that validate them and their schema.

Here amounts, hours and durations are text and dates are dates; `rule_file` turns them into the rules that the gate asks. What a
field means is said once, in docs/policy-packs.md; what a rule does is the kernel's.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from dee_appliance.authoring.written import Amount, Count, Date, Duration, TimeOfDay, WrittenHours, WrittenPart
from dee_appliance.kernel.e1.plan import CallOutcome, Channel, Purpose
from dee_appliance.kernel.e1.policy import LimitScope, OnFail, Subscriber

MAX_CLOSED_DATES = 500

RuleId = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_/-]{0,63}$",
        title="an id of lower-case letters, digits, hyphens, underscores and slashes",
        examples=["us-federal/calling-hours"],
    ),
]
Citation = Annotated[str, Meta(max_length=500, title="a text of at most 500 characters")]
WebAddress = Annotated[
    str,
    Meta(
        pattern="^(https?://[!-~]{1,490})?$",
        title="an address that begins with https://",
        examples=["https://www.ecfr.gov/current/title-47/section-64.1200"],
    ),
]
Remark = Annotated[str, Meta(max_length=2_000, title="a text of at most 2000 characters")]
WrittenConfidence = Literal["primary", "dated-secondary", "secondary", "unverified"]
ConsentClass = Literal["express", "written", "implied"]
ZoneName = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z][A-Za-z0-9_+/-]{0,63}$",
        title='a time zone such as "Europe/London"',
        examples=["Europe/London"],
    ),
]
Jurisdiction = Annotated[
    str,
    Meta(
        pattern="^[A-Z]{2}(-[A-Z0-9]{1,3}){0,2}$",
        title='a country or subdivision such as "US" or "US-FL"',
        examples=["US-FL"],
    ),
]
Word = Annotated[
    str,
    Meta(
        pattern="^[a-z][a-z0-9_]{0,63}$",
        title="a name of lower-case letters, digits and underscores",
        examples=["last_purchase"],
    ),
]
FactName = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
        title="a name of lower-case letters, digits, hyphens and underscores",
        examples=["us-tx-registration"],
    ),
]
EventName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,31}(\.[a-z0-9_]{1,32})?$",
        title='the name of an event such as "email.complained"',
        examples=["email.complained"],
    ),
]
ScopeWord = Annotated[
    str,
    Meta(
        pattern="^(contact|address|plan|purpose|channel|var:[a-z][a-z0-9_]{0,63})$",
        title='one of contact, address, plan, purpose, channel, or an enrolment variable as in "var:debt"',
        examples=["contact"],
    ),
]
ContentWord = Literal[
    "one_click_unsubscribe",
    "unsubscribe_header",
    "unsubscribe_link",
    "postal_address",
    "sender_identity",
    "opt_out_words",
]
CONTENT_WORDS: tuple[str, ...] = get_args(ContentWord)
"""What a message can be asked to have; what each one means is looked for when it is rendered."""

TalliedEvent = Literal[
    "email.delivered",
    "email.bounced",
    "email.complained",
    "sms.delivered",
    "call.answered",
    "call.abandoned",
]
"""The events of which ratios can be made: those that the file counts by day."""

Counted = Literal["email", "sms", "voice", "conversation", "refusal", "abandoned"]
Boundary = Literal["closed", "half_open"]
Months = Annotated[int, Meta(ge=1, le=1_200, title="a whole number of months from 1 to 1200")]
Days = Annotated[int, Meta(ge=1, le=400, title="a whole number of days from 1 to 400")]
BusinessDays = Annotated[int, Meta(ge=1, le=250, title="a whole number of business days from 1 to 250")]
AgeInDays = Annotated[int, Meta(ge=1, le=3_660, title="a whole number of days from 1 to 3660")]
PerTenThousand = Annotated[int, Meta(ge=1, le=10_000, title="a whole number from 1 to 10000")]
Dates = Annotated[list[Date], Meta(max_length=MAX_CLOSED_DATES)]
CalendarNames = FactName | Annotated[list[FactName], Meta(min_length=1, max_length=10)]


class WrittenGround(WrittenPart, frozen=True, kw_only=True):
    """One thing that can hold: a consent of this class, an attribute of the contact, or a recorded fact. One of the three."""

    consent: ConsentClass | None = None
    attribute: Word | None = None
    months: Months | None = None
    fact: FactName | None = None
    holds: bool | None = None


Grounds = Annotated[list[WrittenGround], Meta(min_length=1, max_length=20)]


class WrittenHalfDay(WrittenPart, frozen=True, kw_only=True):
    """The hours of one date, within those of its weekday."""

    date: Date
    opens: TimeOfDay = msgspec.field(name="from")
    closes: TimeOfDay = msgspec.field(name="to")


HalfDays = Annotated[list[WrittenHalfDay], Meta(min_length=1, max_length=MAX_CLOSED_DATES)]


class WrittenStage(WrittenPart, frozen=True, kw_only=True):
    """From this date on, the daily limit is another one."""

    since: Date = msgspec.field(name="from")
    limit: Count


class WrittenRuleBase(WrittenPart, frozen=True, kw_only=True):
    """What every rule says: where it holds, since when, for whom, what lifts it, and where it comes from."""

    id: RuleId
    channels: Annotated[list[Channel], Meta(min_length=1, max_length=3)] | None = None
    purposes: Annotated[list[Purpose], Meta(min_length=1, max_length=4)] | None = None
    jurisdictions: Annotated[list[Jurisdiction], Meta(min_length=1, max_length=300)] | None = None
    subscriber: Subscriber = "any"
    effective_from: Date | None = None
    effective_until: Date | None = None
    on_fail: OnFail | None = None
    unless: Grounds | None = None
    cite: Citation = ""
    url: WebAddress = ""
    as_of: Date | None = None
    confidence: WrittenConfidence | None = None
    ambiguity: Remark = ""


class WrittenSuppression(WrittenRuleBase, frozen=True, kw_only=True, tag="suppression", tag_field="kind"):
    """Nobody who has opted out is contacted, or nobody whose address is on one of these lists."""

    lists: Annotated[list[FactName], Meta(min_length=1, max_length=20)] | None = None
    max_age_days: AgeInDays | None = None
    reach: Literal["channel", "everything"] | None = None


class WrittenConsent(WrittenRuleBase, frozen=True, kw_only=True, tag="consent", tag_field="kind"):
    """A consent must be in force, of one of these classes if any are named."""

    classes: Annotated[list[ConsentClass], Meta(min_length=1, max_length=3)] | None = None
    implied: Annotated[dict[Word, Months], Meta(min_length=1, max_length=20)] | None = None
    address: bool = False


class WrittenFact(WrittenRuleBase, frozen=True, kw_only=True, tag="fact", tag_field="kind"):
    """One of these must hold."""

    require: Grounds


class WrittenContent(WrittenRuleBase, frozen=True, kw_only=True, tag="content", tag_field="kind"):
    """The message must have all of these features, and each of these texts word for word."""

    require: Annotated[list[ContentWord], Meta(min_length=1, max_length=6)] | None = None
    texts: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=500, title="a text of at most 500 characters")]],
            Meta(min_length=1, max_length=20),
        ]
        | None
    ) = None


class WrittenWindow(WrittenRuleBase, frozen=True, kw_only=True, tag="window", tag_field="kind"):
    """Sends only within these hours, in every zone the contact may be in, or in the one zone that a statute names."""

    hours: WrittenHours | Annotated[list[WrittenHours], Meta(min_length=1, max_length=50)]
    closed: CalendarNames | None = None
    closed_dates: Dates | None = None
    half_days: HalfDays | None = None
    closed_until: Date | None = None
    zone: ZoneName | None = None
    personal: bool = False
    guard: Duration | None = None


class WrittenCap(WrittenRuleBase, frozen=True, kw_only=True, tag="cap", tag_field="kind"):
    """At most so many within a time, for one contact or address; or none so soon after something happened."""

    limit: Count
    counts: Annotated[list[Counted], Meta(min_length=1, max_length=6)]
    scope: Annotated[list[ScopeWord], Meta(min_length=1, max_length=6)] | None = None
    within: Duration | None = None
    boundary: Boundary | None = None
    days: Days | None = None
    month: bool | None = None
    also_within: Duration | None = None
    excluded_outcomes: Annotated[list[CallOutcome], Meta(min_length=1, max_length=6)] | None = None
    zone: ZoneName | None = None


class WrittenRatio(WrittenRuleBase, frozen=True, kw_only=True, tag="ratio", tag_field="kind"):
    """Stop while too many of one event come on so many of another."""

    numerator: Annotated[list[TalliedEvent], Meta(min_length=1, max_length=6)]
    denominator: Annotated[list[TalliedEvent], Meta(min_length=1, max_length=6)]
    max_per_10000: PerTenThousand
    days: Days = 1
    min_denominator: Count = 1
    scope: LimitScope = "file"


class WrittenDailyLimit(WrittenRuleBase, frozen=True, kw_only=True, tag="daily_limit", tag_field="kind"):
    """At most so many sends a day; the day begins at midnight in `zone`. A ramp raises the limit by dates."""

    limit: Count
    zone: ZoneName = "Etc/UTC"
    scope: LimitScope = "file"
    ramp: Annotated[list[WrittenStage], Meta(min_length=1, max_length=100)] | None = None


class WrittenRateRule(WrittenRuleBase, frozen=True, kw_only=True, tag="rate", tag_field="kind"):
    """At most so many sends within so short a time."""

    limit: Count
    within: Duration
    scope: LimitScope = "file"


class WrittenBudgetRule(WrittenRuleBase, frozen=True, kw_only=True, tag="budget", tag_field="kind"):
    """At most so much money, in the currency of the rates: in all, a day or a month."""

    amount: Amount
    scope: LimitScope = "file"
    period: Literal["total", "day", "month"] = "total"
    zone: ZoneName | None = None


class WrittenDuty(WrittenRuleBase, frozen=True, kw_only=True, tag="duty", tag_field="kind"):
    """What must be done by when. It is reported and gates nothing."""

    trigger: EventName
    within: Duration | None = None
    business_days: BusinessDays | None = None
    months: Months | None = None
    closed: CalendarNames | None = None
    closed_dates: Dates | None = None


WrittenRule = (
    WrittenSuppression
    | WrittenConsent
    | WrittenFact
    | WrittenContent
    | WrittenWindow
    | WrittenCap
    | WrittenRatio
    | WrittenDailyLimit
    | WrittenRateRule
    | WrittenBudgetRule
    | WrittenDuty
)
RULE_TYPES: tuple[type[WrittenRule], ...] = get_args(WrittenRule)

PackRule = (
    WrittenSuppression
    | WrittenConsent
    | WrittenFact
    | WrittenContent
    | WrittenWindow
    | WrittenCap
    | WrittenRatio
    | WrittenDuty
)
"""The kinds of a pack. How much, how fast and for how much money a file sends is its operator's policy and no law's."""
PACK_RULE_TYPES: tuple[type[WrittenRule], ...] = get_args(PackRule)
