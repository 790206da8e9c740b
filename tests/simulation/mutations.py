"""Single mutations of a recorded history, each with the cause that a replay must name.

A mutation is `raw` (somebody changed a row and nothing else: a hash tells, so the cause is tampering) or `forged`: every hash
was computed anew afterwards, and only executing the inputs again can find it. The cause of a forged one follows from what was
mutated:

- another document that the inputs now name: that document (plan, template, policy, rate card, pack, zones);
- another document that the entries name as well, or an input's field, or an entry's field: the engine, because nothing that is
  cited tells the recorded side from the replayed one; unless the field itself is a citation, or says when;
- inputs in another order, one less, or at another time: the order of events;
- a rendering, together with the entry that describes it: the renderer (the entries are the same; making the message again tells).

What contradicts something else that is in the file (a chain of a run or contact, the first row, a recorded rendering, the
number of an input) is tampering, however well it is hashed.
"""

from __future__ import annotations

import json
import random  # noqa: TID251 - seeded
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from mutation_record import Json, Record

from dee_appliance.kernel.e1.encoding import document_digest


class Mutation(NamedTuple):
    """What was done: the kind for the table, `forged` or raw, the cause a replay must name, and a description."""

    kind: str
    forged: bool
    cause: str
    what: str
    rendering: tuple[int, str] | None = None
    """Input and field of a rendering; when no entry depends on it, only making the message again tells."""


class NoSuchMutationError(Exception):
    """This history has nothing that this mutation could change."""


Mutator = Callable[[Record, random.Random, bool], Mutation]
Way = tuple[Any, ...]
T = TypeVar("T")

CITING_KINDS = {"plan.publish": "plan", "policy.set": "policy", "pack.use": "pack", "zones.use": "zones"}
TIMING = {("dispatch.pull", "n"), ("clock", "limit")}
"""Fields of inputs that say when things happen, not what."""
OF_A_REFUSED_SEND = {
    "core.step",
    "core.visit",
    "core.detail.attempt",
    "core.detail.code",
    "core.detail.field",
    "saw.units",
}
"""What an entry of a send that did not leave says of its rendering, or names it by."""
SETTLED = ("evidence.given", "evidence.commitment", "evidence.send", "evidence.attempt")


def some(choice: random.Random, values: list[T]) -> T:
    """One of them."""
    if not values:
        raise NoSuchMutationError
    return choice.choice(values)


# ---- values in JSON --------------------------------------------------------------------------------------------------


def leaves(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Every value that is neither an object nor a list, by the way to it."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key], (*way, key))
    elif isinstance(value, list):
        for position, one in enumerate(value):
            yield from leaves(one, (*way, position))
    else:
        yield way, value


def put(value: Any, way: Way, new: object) -> None:
    """Set the value at the end of a way."""
    for key in way[:-1]:
        value = value[key]
    value[way[-1]] = new


def other(choice: random.Random, value: Any) -> object:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + choice.choice((-1, 1, 7, 3600)) if value > 3600 else value + choice.choice((1, 2, 60))
        case str():
            place = choice.randrange(len(value) + 1)
            return f"{value[:place]}{choice.choice('abcdef0123456789')}{value[place:]}"
        case _:
            return 1


def dotted(way: Way) -> str:
    """The way as a field is named."""
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in way).lstrip(".")


# ---- inputs ----------------------------------------------------------------------------------------------------------


def input_field(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """One field of the payload of one input."""
    position = choice.randrange(len(record.inputs))
    kind, payload = record.inputs[position][4], record.payload(position)
    fields = [
        (way, value) for way, value in leaves(payload) if not (forged and way[-1] in {"digest", "plan", "version"})
    ]
    way, value = some(choice, fields)
    put(payload, way, other(choice, value))
    record.set_payload(position, payload)
    cause = "event_order" if (kind, dotted(way)) in TIMING else "engine"
    return Mutation("input: a field", forged, cause, f"input {position + 1} ({kind}): {dotted(way)}")


def input_document(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """An input names a document that is not there."""
    named = [n for n, row in enumerate(record.inputs) if row[4] in CITING_KINDS and row[0] != 6]
    position = some(choice, named)
    payload = record.payload(position)
    payload["digest"] = "b3:" + "".join(choice.choice("0123456789abcdef") for _ in range(64))
    record.set_payload(position, payload)
    kind = record.inputs[position][4]
    return Mutation("input: a field", forged, CITING_KINDS[kind], f"input {position + 1} ({kind}): digest")


def input_time(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """The tick of one input, between those of its neighbours."""
    ticks = [row[1] for row in record.inputs]
    movable = [n for n in range(1, len(ticks) - 1) if ticks[n - 1] < ticks[n + 1]]
    position = some(choice, movable)
    low, high = ticks[position - 1], ticks[position + 1]
    new = choice.randint(low, high)
    record.inputs[position][1] = new if new != ticks[position] else (low if low != ticks[position] else high)
    return Mutation("input: its time", forged, "event_order", f"input {position + 1}: tick {new}")


def input_column(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """Source, time of receipt or kind of one input; the first two only matter to its hash."""
    position = choice.randrange(len(record.inputs))
    column = 4 if forged else choice.choice((2, 3, 4))
    record.inputs[position][column] = other(choice, record.inputs[position][column])
    return Mutation("input: a field", forged, "engine", f"input {position + 1}: column {column}")


def inputs_swapped(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """Two inputs change places; ticks stay where they are."""
    distance = choice.choice((1, 1, 1, 2, 5))
    first = some(choice, [n for n in range(9, len(record.inputs) - distance) if _differ(record, n, n + distance)])
    one, two = record.inputs[first], record.inputs[first + distance]
    one[3:], two[3:] = two[3:], one[3:]
    return Mutation("inputs swapped", forged, "event_order", f"inputs {first + 1} and {first + distance + 1}")


def _differ(record: Record, first: int, second: int) -> bool:
    return bool(record.inputs[first][3:] != record.inputs[second][3:])


def input_dropped(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """One input is taken out; forged, with later ones and all that names them numbered anew."""
    given = {row[0] for row in record.given}
    last = len(record.inputs) - 1
    movable = [n for n in range(10, last) if record.inputs[n][0] not in given]
    position = some(choice, movable)
    number = record.inputs.pop(position)[0]
    if forged:
        _renumber(record, number, -1)
    return Mutation("an input dropped", forged, "event_order", f"input {number}")


def input_doubled(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """One input is there twice, and the second one has no entry."""
    position = choice.randrange(10, len(record.inputs))
    row = list(record.inputs[position])
    _renumber(record, row[0], 1, entries=forged)
    row[0] += 1
    record.inputs.insert(position + 1, row)
    return Mutation("an input doubled", forged, "tampering", f"input {row[0] - 1}")


def _renumber(record: Record, after: int, by: int, *, entries: bool = True) -> None:
    for rows in (record.inputs, record.given):
        for row in rows:
            row[0] += by * (row[0] > after)
    for row in record.documents:
        row[2] += by * (row[2] > after)
    for position in range(len(record.entries) if entries else 0):
        value = record.body(position)
        value["input"]["seq"] += by * (value["input"]["seq"] > after)
        record.set_body(position, value)


# ---- documents -------------------------------------------------------------------------------------------------------


def a_number(*names: str) -> Callable[[Json, random.Random], str]:
    """A change of one number or text below the fields of these names (any, when none is named)."""

    def change(body: Json, choice: random.Random) -> str:
        fields = [
            (way, value)
            for way, value in leaves(body)
            if way[-1] not in {"plan", "version", "schema", "id", "kind", "do", "purpose"}
            and (not names or way[0] in names)
            and way[0] not in {"templates", "scripts"}
        ]
        way, value = some(choice, fields)
        put(body, way, other(choice, value))
        return dotted(way)

    return change


def document(kind: str, cause: str, change: Callable[[Json, random.Random], str], label: str) -> Mutator:
    """A document is changed in its place (raw), or another one stands beside it and the inputs name that (forged)."""

    def mutate(record: Record, choice: random.Random, forged: bool) -> Mutation:
        row = some(choice, [row for row in record.documents if row[1] == kind])
        body = json.loads(row[3])
        what = f"{kind} {row[0][:12]}: {change(body, choice)}"
        if not forged:
            row[3] = _text(body)
            return Mutation(label, False, cause, what)
        _replace(record, row, body)
        return Mutation(label, True, cause, what)

    return mutate


def _text(body: Json) -> str:
    return json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _replace(record: Record, row: list[Any], body: Json) -> str:
    """Put another document beside one, and let the inputs name that one. Returns its digest."""
    text = _text(body)
    digest = document_digest(row[1], text.encode())
    if all(one[0] != digest for one in record.documents):
        record.documents.append([digest, row[1], row[2], text])
        record.documents.sort()
    for one in record.inputs:
        one[5] = one[5].replace(row[0], digest)
    return digest


def template(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """The text of a template or script; forged, with plans that pin the new one."""
    row = some(choice, [row for row in record.documents if row[1] in {"template", "script"}])
    body = json.loads(row[3])
    what = f"{row[1]} {row[0][:12]}: {a_number()(body, choice)}"
    if not forged:
        row[3] = _text(body)
        return Mutation("template", False, "template", what)
    digest = _replace(record, row, body)
    for plan in [one for one in record.documents if one[1] == "plan" and row[0] in one[3]]:
        _replace(record, plan, json.loads(plan[3].replace(row[0], digest)))
    return Mutation("template", True, "template", what)


def cited_document(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """Another document, and every entry names it as well: what it decides is all that is left to tell."""
    if not forged:
        raise NoSuchMutationError
    kind = choice.choice(("plan", "policy", "pack", "zones"))
    row = some(choice, [row for row in record.documents if row[1] == kind])
    body = json.loads(row[3])
    what = f"{kind} {row[0][:12]}: {a_number()(body, choice)}, cited"
    digest = _replace(record, row, body)
    for one in record.entries:
        one[1] = one[1].replace(row[0], digest)
    return Mutation(f"{kind}, cited", True, "engine", what)


# ---- renderings ------------------------------------------------------------------------------------------------------


def rendering(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """One field of one recorded rendering; forged, the entry that describes it says the same."""
    names = ("bytes", "commitment", "renderer", "template")
    rows = [row for row in record.given if not forged or json.loads(row[2])["code"] == "ok"]
    row = some(choice, rows)
    body = json.loads(row[2])
    field = choice.choice(names) if forged else some(choice, sorted(body))
    new = other(choice, body[field])
    if forged:
        _describe(record, body["send_key"], body["attempt"], field, new)
    body[field] = new
    row[2] = _text(body)
    cause = "template" if field == "template" else "renderer"
    return Mutation("rendering", forged, cause, f"rendering {row[1]} of input {row[0]}: {field}", (row[0], field))


def _describe(record: Record, send: str, attempt: int, field: str, new: object) -> None:
    for position in range(len(record.entries)):
        value = record.body(position)
        evidence = value.get("evidence", {})
        if "given" in evidence and (evidence["send"], evidence["attempt"]) == (send, attempt):
            put(evidence, ("commitment",) if field == "commitment" else ("given", field), new)
            record.set_body(position, value)
            return
    raise NoSuchMutationError  # the gate did not let it pass: no entry describes it


# ---- entries ---------------------------------------------------------------------------------------------------------


def entry_field(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """One field of one entry; the links and numbers of the log itself only when nothing is hashed anew."""
    position = choice.randrange(len(record.entries))
    value = record.body(position)
    links = {("prev",), ("seq",), ("core", "rp"), ("input", "digest")}
    way, old = some(choice, [one for one in leaves(value) if not (forged and one[0] in links)])
    put(value, way, other(choice, old))
    record.set_body(position, value)
    cause = _cause_of_entry(value, dotted(way), old) if forged else "tampering"
    if way == ("input", "seq"):
        cause = "event_order" if _orderly(record) else "tampering"
    action = value["core"]["action"]
    return Mutation("entry: a field", forged, cause, f"entry {position} ({action}): {dotted(way)}")


def _orderly(record: Record) -> bool:
    """Whether entries name the inputs in their order, and each of them."""
    named = [record.body(n)["input"]["seq"] for n in range(1, len(record.entries))]
    return named == sorted(named) and set(named) == {row[0] for row in record.inputs}


BROUGHT = {("publish", "published"), ("policy", "set"), ("zones", "used"), ("pack", "used")}
"""Entries that name a document which must be there."""


def _cause_of_entry(value: Json, field: str, old: object) -> str:
    core, given = value["core"], "given" in value.get("evidence", {})
    if old is None and field in {"core.rs", "core.plan", "core.step", "core.visit", "run"}:
        return "tampering" if field in {"core.rs", "run"} else "engine"
    refused = not given and (
        core["outcome"] == "not_rendered"
        or (core["action"] in {"send_email", "send_sms"} and "units" in value.get("saw", {}))
    )
    contradicts = (
        (refused and field in OF_A_REFUSED_SEND)
        or field in {"core.v", "core.rs", "core.rp", "cs", "cp", "run", "input.seq"}
        or (given and field.startswith(SETTLED))
        or (value["seq"] == 0 and (field.startswith("core.detail") or field == "core.tick"))
        or (field == "core.detail.digest" and (core["action"], core["outcome"]) in BROUGHT)
    )
    if contradicts:
        return "tampering"
    by_name = {"core.tick": "event_order", "core.plan": "plan", "saw.policy": "policy", "saw.zones": "zones"}
    if field == "core.detail.digest":
        return {"publish": "plan", "enroll": "plan"}.get(core["action"], str(core["action"]))
    return "pack" if field.startswith("saw.packs") else by_name.get(field, "engine")


def entry_gone(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """One entry is taken out."""
    position = choice.randrange(len(record.entries))
    record.entries.pop(position)
    return Mutation("an entry dropped", forged, "tampering", f"entry {position}")


def entries_swapped(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """Two entries next to each other change places."""
    position = choice.randrange(1, len(record.entries) - 1)
    one, two = record.entries[position], record.entries[position + 1]
    one[1:], two[1:] = two[1:], one[1:]
    return Mutation("entries swapped", forged, "tampering", f"entries {position} and {position + 1}")


def leaf(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """One stored hash."""
    row = choice.choice(record.entries)
    place = choice.randrange(32)
    row[2] = row[2][:place] + bytes([row[2][place] ^ (1 << choice.randrange(8))]) + row[2][place + 1 :]
    return Mutation("entry: its hash", forged, "tampering", f"entry {row[0]}")


def run_head(record: Record, choice: random.Random, forged: bool) -> Mutation:
    """The head of a run as one of its entries names it; forged, all other hashes fit."""
    position = some(choice, [n for n in range(len(record.entries)) if record.body(n)["core"]["rs"]])
    value = record.body(position)
    value["core"]["rp"] = "".join(choice.choice("0123456789abcdef") for _ in range(64))
    record.set_body(position, value)
    return Mutation("a run's head", forged, "tampering", f"entry {position}")


class Kind(NamedTuple):
    """One way to mutate, how often, and in which of the two ways."""

    mutate: Mutator
    weight: int
    ways: tuple[bool, ...] = (False, True)
    runs: bool = True
    """When everything is hashed anew: also the runs' own chains."""


KINDS = (
    Kind(input_field, 12),
    Kind(input_document, 3),
    Kind(input_time, 5),
    Kind(input_column, 3),
    Kind(document("plan", "plan", a_number(), "plan"), 8),
    Kind(template, 6),
    Kind(document("policy", "policy", a_number("rules"), "policy"), 7),
    Kind(document("policy", "rate_card", a_number("rates"), "rate card"), 6),
    Kind(document("pack", "pack", a_number("rules"), "pack"), 6),
    Kind(document("zones", "zones", a_number("functions", "zones"), "zones"), 6),
    Kind(cited_document, 4, (True,)),
    Kind(rendering, 8),
    Kind(entry_field, 18),
    Kind(entry_gone, 2, (False,)),
    Kind(entries_swapped, 2, (False,)),
    Kind(leaf, 2, (False,)),
    Kind(run_head, 4, runs=False),
    Kind(inputs_swapped, 8),
    Kind(input_dropped, 5),
    Kind(input_doubled, 4),
)


def mutated(record: Record, choice: random.Random) -> Mutation:
    """Change a record in one place. Raises NoSuchMutationError."""
    kind = choice.choices(KINDS, [one.weight for one in KINDS])[0]
    forged = choice.choice(kind.ways)
    mutation = kind.mutate(record, choice, forged)
    if forged:
        record.rehash(runs=kind.runs)
        return mutation
    return mutation._replace(cause="tampering")
