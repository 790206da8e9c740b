"""The template language: what it accepts, what it refuses and why, and that nothing in it can run away."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from minijinja import Environment, TemplateError

from dee_appliance.content.language import MAX_VALUE_CHARS, Program, RenderFailed, check, longest_value, renderer
from dee_appliance.errors import Refused

VALUES: dict[str, Any] = {
    "contact": {"first_name": "Ana", "company": "Ørsted & Co", "vip": True, "age": 41},
    "sender": {"name": "Max", "email": "max@example.com"},
    "previous": {"day-3": "accepted"},
    "run": {"id": "run_1"},
    "var": {"items": [{"name": "one"}, {"name": "two"}], "tags": ["a", "b"]},
    "unsubscribe_link": "mailto:u@example.com",
    "plan": "sales-outreach",
}


def rendered(source: str, values: dict[str, Any] | None = None, part: str = "text.txt") -> str:
    check(source, where="t")
    values = VALUES if values is None else values
    return Program({part: source}).render(part, values, longest_value_chars=longest_value(values))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hi {{ contact.first_name }},", "Hi Ana,"),
        ("{{ contact['first_name'] }}{{ contact[\"first_name\"] }}", "AnaAna"),
        ('{{ previous["day-3"] }}', "accepted"),
        ("{{- contact.first_name -}} ", "Ana"),
        ("{% if contact.vip %}a{% elif contact.age > 3 %}b{% else %}c{% endif %}", "a"),
        ("{{ 'x' if contact.age >= 41 and not (contact.first_name == \"Bo\") else 'y' }}", "x"),
        ("{{ contact.nick | default('there') }}", "there"),
        ("{{ contact.nick|default(contact.first_name)|upper|trim }}", "ANA"),
        ("{% if contact.nick is defined %}a{% endif %}{% if contact.nick is not defined %}b{% endif %}", "b"),
        ("{% for item in var.items %}{{ loop.index }}.{{ item.name }};{% else %}none{% endfor %}", "1.one;2.two;"),
        ("{{ var.tags|join(', ') }} {{ var.tags|length }}", "a, b 2"),
        ("{{ contact.first_name in ['Ana', 'Bo'] }}", "True"),
        ('{# never shown {{ nope }} #}{{ "}} %}" }}', "}} %}"),
        ("100%} {single} 5 % }", "100%} {single} 5 % }"),
        ("a\n", "a\n"),
    ],
)
def test_the_language_has_values_conditions_loops_and_a_few_filters(source: str, expected: str) -> None:
    assert rendered(source) == expected


def test_an_html_part_escapes_what_it_inserts_and_a_text_part_does_not() -> None:
    assert rendered("{{ contact.company }}", part="body.html") == "Ørsted &amp; Co"
    assert rendered("{{ contact.company }}") == "Ørsted & Co"


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("Hi {{ contact.first_name }} from {{ sender.name }}", ("contact.first_name", "sender.name")),
        ('{{ previous["day-3"] }}{{ previous.intro }}', ("previous.day-3", "previous.intro")),
        ("{% for x in var.items %}{{ x.name }}{{ run.id }}{% endfor %}", ("run.id", "var.items")),
        ("{% if contact.a is defined and contact.b %}{{ plan }}{% endif %}", ("contact.a", "contact.b", "plan")),
        ("{{ contact.a|default(contact.b) }}{{ unsubscribe_link }}", ("contact.a", "contact.b", "unsubscribe_link")),
        ("{{ var.order.lines.first }}", ("var.order",)),
        ("{{ 'contact.quoted' }} {# contact.comment #}", ()),
    ],
)
def test_the_fields_a_text_needs_are_listed(source: str, needed: tuple[str, ...]) -> None:
    assert check(source, where="t") == needed


@pytest.mark.parametrize(
    "source",
    [
        "Hi {{ contact.first_name }} from {{ sender.name }}, {{ plan }}",
        "{% for x in var.items %}{{ x.name }}{{ run.id }}{% endfor %}",
        "{% if contact.a is defined and contact.b %}{{ contact.c|default(contact.d)|upper }}{% endif %}",
        "{{ 'x' if contact.age >= 41 and not (contact.first_name in ['Bo', sender.name]) else var.y }}",
    ],
)
def test_our_list_of_fields_agrees_with_what_minijinja_itself_finds(source: str) -> None:
    found = Environment().undeclared_variables_in_str(source, nested=True)
    assert check(source, where="t") == tuple(sorted(name for name in found if "." in name or name == "plan"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{#if contact.x}}a{{/if}}", "Handlebars"),
        ("{{#each var.items}}a{{/each}}", "Handlebars"),
        ("{{/if}}", "Handlebars"),
        ("{{> footer}}", "Handlebars"),
        ("{{! note }}", "Handlebars"),
        ("{{{contact.x}}}", "Handlebars"),
        ('{{ contact.x | default: "a" }}', "is Liquid"),
        ("{{ first_name }}", "there is no `first_name`"),
        ("{{ contact }}", "needs a name behind it"),
        ("{{ plan.name }}", "there is no `plan.name`"),
        ("{{ contact.name.upper() }}", "templates call nothing"),
        ("{{ range(10) }}", "templates call nothing"),
        ("{{ ''.__class__ }}", "templates call nothing"),
        ("{{ contact[run.id] }}", 'only .name or ["name"]'),
        ("{{ contact.x[0] }}", 'only .name or ["name"]'),
        ("{{ previous.day-3 }}", "templates do not calculate"),
        ("{{ 'x' * 100000000 }}", "templates do not calculate"),
        ("{{ contact.a ~ contact.a }}", "templates do not calculate"),
        ("{{ contact.x|safe }}", "there is no filter `safe`"),
        ("{{ contact.x|indent(1000000000) }}", "there is no filter `indent`"),
        ("{{ contact.x is string }}", "there is no test `string`"),
        ("{% set x = 1 %}", "there is no tag `set`"),
        ("{% include 'x' %}", "there is no tag `include`"),
        ("{% macro f() %}{% endmacro %}", "there is no tag `macro`"),
        ("{% for x in [1, 2] %}{% endfor %}", "a loop goes over a plain name"),
        ("{% for x in var.a recursive %}{% endfor %}", "a loop goes over a plain name"),
        ("{% for contact in var.a %}{% endfor %}", "a loop cannot use the name"),
        ("{% for %}{% endfor %}", "a loop is written"),
        ("{% else x %}", "stands alone"),
        ("{% if contact.x %}", "not a valid template"),
        ("{% endif %}", "not a valid template"),
        ("{{ contact.x", "is not closed by `}}`"),
        ("{{ contact.x %}", "is closed by `%}` instead of `}}`"),
        ("{# never", "a comment `{#` is not closed"),
        ("{{ contact.x = 1 }}", "not a valid template"),
        ("{% if plan %}" + "{% elif plan %}" * 50 + "{% endif %}", "nested more than 50 deep"),
        ("{% if plan %}" * 51 + "{% endif %}" * 51, "nested more than 50 deep"),
        ("{{ contact.x ? 1 }}", "unexpected '?'"),
        ("{{ contact.été }}", "unexpected 'é'"),
        ("{{ " + "not " * 200 + "plan }}", "a tag is longer than"),
        ("x" * (256 * 1024 + 1), "the template is longer than"),
    ],
)
def test_what_the_language_does_not_have_is_refused_with_line_and_reason(source: str, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)) as refused:
        check("one\ntwo\n" + source if len(source) < 9999 else source, where="intro.eml.j2", first_line=4)
    assert refused.value.where in ("intro.eml.j2:6", "intro.eml.j2:4")


def test_a_refused_handlebars_condition_says_how_to_write_it() -> None:
    with pytest.raises(Refused) as refused:
        check("{{#if contact.vip}}Hello{{/if}}", where="t")
    assert "{% if contact.x %}" in str(refused.value)


@pytest.mark.parametrize(
    ("source", "code", "field"),
    [
        ("{{ contact.nick }}", "undefined_field", "contact.nick"),
        ('{{ previous["day-9"] }}', "undefined_field", "previous.day-9"),
        ("{% if contact.nick %}{% endif %}", "undefined_field", "contact.nick"),
        ("{{ contact.nick|upper }}", "undefined_field", "contact.nick"),
        ("{% for x in var.items %}{{ x.price }}{% endfor %}", "undefined_field", "x.price"),
        ("{% for x in contact.age %}{% endfor %}", "syntax", ""),
    ],
)
def test_a_name_without_a_value_fails_and_is_named(source: str, code: str, field: str) -> None:
    with pytest.raises(RenderFailed) as failed:
        rendered(source)
    assert (failed.value.code, failed.value.field) == (code, field)


def test_a_failure_never_repeats_what_the_contact_data_say() -> None:
    with pytest.raises(RenderFailed) as failed:
        rendered(
            "{% for x in contact.age %}{% endfor %}{{ contact.secret }}",
            {"contact": {"age": 5551234, "secret": "s3cret"}},
        )
    assert "5551234" not in str(failed.value)
    assert "s3cret" not in str(failed.value)


class Sly(str):
    """Text that minijinja would take for safe HTML."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        b"x",
        (1,),
        Sly("<b>"),
        object(),
        "\ud800",
        "x" * (MAX_VALUE_CHARS + 1),
        {"a": {"b": {"c": {"d": {"e": {}}}}}},
    ],
)
def test_only_plain_data_reaches_a_template(value: object) -> None:
    with pytest.raises(RenderFailed) as failed:
        longest_value({"contact": {"x": value}})  # type: ignore[dict-item]
    assert failed.value.code == "bad_value"
    assert failed.value.field.startswith("contact.x")


def test_the_renderer_names_the_installed_engine() -> None:
    assert renderer() == f"minijinja/{version('minijinja')} dee-content/1"


def test_the_engine_has_no_function_of_its_own_left() -> None:
    environment = Program({"text.txt": "x"})._environment
    for name in ("range", "dict", "debug", "namespace", "cycler", "joiner", "lipsum", "now"):
        with pytest.raises(TemplateError, match="is unknown"):
            environment.render_str(f"{{{{ {name}(3) }}}}")


def test_a_stored_text_that_is_not_in_the_language_is_not_run() -> None:
    with pytest.raises(RenderFailed) as failed:
        Program({"text.txt": "{{ 'x' * 1000000000 }}"})
    assert failed.value.code == "syntax"


def nested_loops(depth: int) -> str:
    opening = "".join(f"{{% for x{i} in var.items %}}" for i in range(depth))
    return opening + "{{ x0 }}" + "{% endfor %}" * depth


HOSTILE: dict[str, str] = {
    "loops in loops": nested_loops(60),
    "a long text in a loop": "{% for x in var.items %}{% for y in var.items %}"
    + "x" * 200_000
    + "{% endfor %}{% endfor %}",
    "a long value in a loop": "{% for x in var.items %}{% for y in var.items %}{{ contact.long }}{% endfor %}{% endfor %}",
    "a list in a loop": "{% for x in var.items %}{% for y in var.items %}{{ var.items }}{% endfor %}{% endfor %}",
    "many tags": "{{ contact.long }}" * 10_000,
    "escaped twice": "{{ contact.long|e|urlencode|urlencode|urlencode }}" * 4_000,
    "deep conditions": "{% if plan %}" * 5_000 + "{% endif %}" * 5_000,
    "many elifs": "{% if plan == 'a' %}" + "{% elif plan == 'b' %}" * 8_000 + "{% endif %}",
    "deep brackets": "{{ " + "(" * 220 + "plan" + ")" * 220 + " }}",
    "deep lists": "{{ " + "[" * 220 + "plan" + "]" * 220 + " }}",
    "not not": "{{ " + "not " * 120 + "plan }}",
    "filters": "{{ plan" + "|e" * 200 + " }}",
    "paths": "{{ contact" + ".a" * 200 + " }}",
    "joined lists": "{{ [" + "contact.long, " * 30 + "1]|join(contact.long) }}" + "{{ plan }}" * 1_000,
    "unclosed": "{{" * 20_000,
    "half tags": "{% if " * 20_000,
    "comment marks": "{#" * 100_000,
    "quotes": "{{ '" + "\\'" * 100_000,
    "blanks": "{{" + " " * 200_000 + "}}",
    "control characters": "{{ contact.long }}\x00\x1b" * 2_000,
}

RUN_HOSTILE = """
import sys
from dee_appliance.content.language import Program, check, longest_value
from dee_appliance.errors import Refused
source = sys.stdin.read()
values = {"contact": {"long": "<" * 32_768}, "plan": "p", "var": {"items": [{"n": i} for i in range(500)]}}
for part in ("text.txt", "body.html"):
    try:
        check(source, where="t")
        Program({part: source}).render(part, values, longest_value_chars=longest_value(values))
    except Refused:
        pass
with open("/proc/self/status") as status:  # not getrusage: its peak includes that of the process that started this one
    print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_soon_and_in_little_memory(name: str) -> None:
    root = Path(__file__).parents[2]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", RUN_HOSTILE], input=HOSTILE[name], capture_output=True, text=True, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) < 300  # MB in all, of which the interpreter and its imports are about 40
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 3.0
