"""From a published template and one contact's values to the bytes of a message: render every part, then write the MIME.

The template has a text and an HTML part of the size and make of a short sales letter, with a condition, a default and a reply-to.
One contact in four has a name that is not ASCII, so encoded words and quoted-printable are in the figures. Compiling the template
is not: a published one is compiled once.
"""

from __future__ import annotations

import argparse
from typing import Final

from blake3 import blake3

from bench.measure import Stopwatch, parse_size
from dee_appliance.content.language import Values
from dee_appliance.content.mime import build_message, message_id
from dee_appliance.content.template import Template, parse_template, render

WARM_UP: Final = 100
EPOCH_TICK: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
NAMES: Final = ("Robin", "Ana", "Marek", "Zoë")
PARAGRAPH: Final = (
    "teams like yours at {{ contact.company }} spend a good part of each week copying the same figures between two systems, "
    "and find the mistakes only when a customer does."
)
TEMPLATE: Final = f"""Subject: {{{{ contact.first_name }}}}, a question about {{{{ contact.company }}}}
Reply-To: {{{{ sender.email }}}}

Hello {{{{ contact.first_name | default("there") }}}},

{PARAGRAPH}

{{% if contact.city %}}I am in {{{{ contact.city }}}} next week.{{% endif %}} Is it worth a quarter of an hour to see how
others have stopped doing it?

{PARAGRAPH}

Kind regards,
{{{{ sender.name }}}}

To hear no more from us: {{{{ unsubscribe_link }}}}
--- html ---
<!doctype html>
<html><body style="font-family: sans-serif; font-size: 15px; line-height: 1.5; color: #222222">
<p>Hello {{{{ contact.first_name | default("there") }}}},</p>
<p>{PARAGRAPH}</p>
<p>{{% if contact.city %}}I am in {{{{ contact.city }}}} next week.{{% endif %}} Is it worth a quarter of an hour to see how
others have stopped doing it?</p>
<p>{PARAGRAPH}</p>
<p>Kind regards,<br>{{{{ sender.name }}}}</p>
<p style="font-size: 12px"><a href="{{{{ unsubscribe_link }}}}">To hear no more from us</a></p>
</body></html>
"""


def make_message(template: Template, ordinal: int) -> bytes:
    """The message number `ordinal`, different from its neighbours in every field."""
    key = blake3(ordinal.to_bytes(8, "big")).hexdigest()
    unsubscribe = f"mailto:unsubscribe@example.com?subject={key[:16]}"
    values: Values = {
        "contact": {
            "first_name": NAMES[ordinal % len(NAMES)],
            "company": f"Northwind {ordinal}",
            "city": "Leipzig" if ordinal % 2 else "",
        },
        "sender": {"name": "Kim Example", "email": "kim@example.com"},
        "unsubscribe_link": unsubscribe,
    }
    return build_message(
        render(template, values),
        to=f"Contact {ordinal} <contact{ordinal}@example.org>",
        sender="Kim Example <kim@example.com>",
        message_id=message_id(key, "example.com"),
        date_tick=EPOCH_TICK + ordinal,
        unsubscribe_mailto=unsubscribe,
    )


def main() -> None:
    """`python -m bench.mime_speed [--n N]`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    parse_size(arguments, unit="message", default=5_000)
    arguments.add_argument("--name", default="mime", help="what the figures are called")
    given = arguments.parse_args()
    template = parse_template("letter", "email", TEMPLATE, where="bench/mime_speed.py")
    for ordinal in range(WARM_UP):
        make_message(template, ordinal)
    with Stopwatch() as watch:
        for ordinal in range(WARM_UP, WARM_UP + given.n):
            make_message(template, ordinal)
    watch.figures(given.name, given.n).print()


if __name__ == "__main__":
    main()
