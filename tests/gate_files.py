"""A simulated file for questions to the gate: a policy with a rule of every kind, a pack with rules for some places, three plans.

It begins on Wednesday 2026-11-18 at 11:06:40Z: six in the morning in New York, three in Los Angeles, noon in Berlin.
"""

from __future__ import annotations

from pathlib import Path

from report_files import NOTHING_BY_ITSELF, START

from dee_appliance import Engine
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.runtime.importing import ConsentGrant

HOUR_S, DAY_S = 3_600, 86_400
EIGHT_IN_NEW_YORK = START - START % DAY_S + 13 * HOUR_S
"""2026-11-18T13:00:00Z."""

POLICY = """
policy   = "every-kind"
currency = "USD"
[[rule]]
id   = "stop"
kind = "suppression"
[[rule]]
id           = "registry"
kind         = "suppression"
channels     = ["voice"]
lists        = ["dnc"]
max_age_days = 31
[[rule]]
id       = "asked"
kind     = "consent"
purposes = ["marketing"]
classes  = ["express", "written", "implied"]
implied  = { purchase = 24 }
[[rule]]
id       = "licence"
kind     = "fact"
channels = ["voice"]
require  = [{ fact = "licensed" }, { attribute = "landline" }]
[[rule]]
id       = "words"
kind     = "content"
channels = ["sms"]
require  = ["opt_out_words"]
texts    = ["example sender"]
[[rule]]
id       = "hours"
kind     = "window"
channels = ["voice"]
hours    = { days = "Mon-Fri", from = 08:00:00, to = 21:00:00 }
closed_dates = [2026-11-20]
closed_until = 2026-12-31
guard    = "5m"
cite     = "47 CFR 64.1200(c)(1)"
url      = "https://www.ecfr.gov/"
[[rule]]
id       = "twice"
kind     = "cap"
channels = ["email"]
counts   = ["email"]
limit    = 2
within   = "24h"
boundary = "closed"
[[rule]]
id       = "weekly"
kind     = "cap"
channels = ["voice"]
counts   = ["voice"]
limit    = 1
days     = 7
[[rule]]
id            = "complaints"
kind          = "ratio"
channels      = ["email"]
numerator     = ["email.complained"]
denominator   = ["email.delivered"]
max_per_10000 = 5000
min_denominator = 2
[[rule]]
id    = "day"
kind  = "daily_limit"
limit = 3
[[rule]]
id       = "pace"
kind     = "rate"
channels = ["voice"]
limit    = 2
within   = "1m"
[[rule]]
id     = "money"
kind   = "budget"
amount = "5.00"
[[rate]]
channel = "email"
price   = "0.01"
[[rate]]
channel = "sms"
price   = "0.05"
[[rate]]
channel = "voice"
price   = "0.10"
"""

PACK = """
[pack]
id      = "house"
version = "1"
title   = "House rules"
as_of   = 2026-11-18
notice  = "Not legal advice."
[[rule]]
id            = "florida-hours"
kind          = "window"
channels      = ["email", "voice"]
jurisdictions = ["US-FL"]
hours         = { days = "Mon-Sun", from = 08:00:00, to = 20:00:00 }
cite          = "Fla. Stat. 501.616(6)(a)"
url           = "https://example.com/fl"
as_of         = 2026-11-18
confidence    = "primary"
[[rule]]
id            = "texas-hours"
kind          = "window"
channels      = ["email"]
jurisdictions = ["US-TX"]
hours         = { days = "Mon-Sun", from = 08:00:00, to = 20:00:00 }
cite          = "Tex."
url           = "https://example.com/tx"
as_of         = 2026-11-18
confidence    = "unverified"
[[rule]]
id             = "from-next-year"
kind           = "consent"
channels       = ["email"]
classes        = ["written"]
effective_from = 2027-01-01
cite           = "a law to come"
url            = "https://example.com/law"
as_of          = 2026-11-18
confidence     = "secondary"
[[rule]]
id         = "no-business"
kind       = "consent"
channels   = ["email"]
classes    = ["written"]
unless     = [{ attribute = "landline" }, { consent = "express" }]
cite       = "a law"
url        = "https://example.com/law"
as_of      = 2026-11-18
confidence = "primary"
[[rule]]
id             = "ten-days"
kind           = "duty"
trigger        = "opt_out"
business_days  = 10
cite           = "a law"
url            = "https://example.com/law"
as_of          = 2026-11-18
confidence     = "primary"
"""

PLANS = {
    "letter": ("send_email", "template"),
    "note": ("send_sms", "template"),
    "ring": ("call", "script"),
}
"""Plan and its only send, by the name of the document."""

CONTACTS = """customer_id,first_name,email,phone,timezone,region,landline
K-1,Ana,ana@example.com,+1 305 555 0101,America/New_York,US-FL,yes
K-2,Ben,ben@example.com,+1 206 555 0102,America/Los_Angeles,US-WA,no
K-3,Cleo,cleo@example.com,,,,no
K-4,Dora,dora@example.com,,Europe/Berlin,DE-BE,no
K-5,Evan,,+49 30 23125001,Europe/Berlin,DE-BE,no
"""


def plan_text(name: str) -> str:
    """A plan of one send."""
    do, document = PLANS[name]
    hours = (
        'calling_hours = { days = "Mon-Sun", from = 07:00:00, to = 22:00:00 }' if name == "ring" else "daily_sends = 50"
    )
    return f"""
plan    = "{name}"
version = 1
purpose = "marketing"
[enroll]
reentry = "always"
[policy]
{hours}
[[step]]
id = "it"
do = "{do}"
{document} = "{name}"
[[step]]
id      = "end"
do      = "end"
outcome = "done"
"""


def make_gate_file(
    folder: Path, *, policy: str = POLICY, consents: tuple[Channel, ...] = ("email", "sms", "voice")
) -> Engine:
    """Make the file: contacts with consent on these channels, nobody enrolled, no pack in use."""
    texts = {
        "policy.toml": policy,
        "house.toml": PACK,
        "contacts.csv": CONTACTS,
        "templates/letter.eml.j2": "Subject: Hello\n\nHello {{ contact.first_name }}. {{ unsubscribe_link }}\n",
        "templates/note.sms.j2": "{{ sender.name }}: hello. Reply STOP to stop.",
        "scripts/ring.toml": 'max_duration_s = 120\n[[answered]]\nsay = "Hello."\n',
        **{f"{name}.toml": plan_text(name) for name in PLANS},
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    engine = Engine.create(
        folder / "gate.db", simulated=True, start=START, assume=NOTHING_BY_ITSELF, policy=folder / "policy.toml"
    )
    for name in PLANS:
        engine.publish_plan(folder / f"{name}.toml")
    grants = tuple(ConsentGrant(channel=channel) for channel in consents)
    engine.import_contacts(folder / "contacts.csv", consents=grants, mapping=("attribute.landline=landline:bool",))
    return engine
