"""Random schedules: from one seed a policy, plans, contacts and a history of inputs, applied to a file without any I/O around it.

The histories are nasty on purpose: operator verbs at the wrong time, late and repeated answers, opt-outs between a pull and its
answer, limits that run out, halts, crashes that turn everything in flight into unknown outcomes, clocks that come late. What can
happen stands in schedule_happenings, what plans and policies say in schedule_documents; here are the ways in which a schedule is
run, none of which may change a byte.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec
from schedule_happenings import start, step
from schedule_history import HashedShell, History

from dee_appliance.store.database import Database, open_scratch
from dee_appliance.store.journal import Journal

STATE_TABLES = (
    "contact", "address", "consent", "suppression", "plan", "enrolment", "run", "timer", "attempt", "counter", "hold", "setting",
    "touch", "breaker", "run_trail", "contact_trail", "ledger", "listed", "list_version", "given", "input", "audit",
)  # fmt: skip
STEPS = 70
BRANCH_STEPS = 3


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a schedule is run; none of it may change a byte of what comes out.

    `batch` happenings share a transaction; after every `reopen`-th of them the file is read anew, as by a new process, and every
    `redo`-th is rolled back once and done again (0: never); `small_caches` lets the state keep next to nothing in memory;
    `without_indexes` makes SQLite find its rows in other ways, and in another order wherever nobody asked for one.
    """

    batch: int = 1
    reverse_unordered: bool = False
    reopen: int = 0
    redo: int = 0
    small_caches: bool = False
    without_indexes: bool = False


PLAIN = Way()


def perturbed(seed: int) -> Way:
    """Return one of many ways to run a schedule that are not the plain one."""
    return Way(
        batch=2 + seed % 11,
        reverse_unordered=True,
        reopen=2 + seed % 3,
        redo=2 + seed % 5,
        small_caches=seed % 2 == 0,
        without_indexes=seed % 3 == 0,
    )


@contextmanager
def run_schedule(
    seed: int,
    *,
    steps: int = STEPS,
    way: Way = PLAIN,
    clock_limit: int = 1_000,
    lineage: bytes = bytes(16),
    shell: HashedShell | None = None,
) -> Iterator[History]:
    """Run the schedule of a seed on a scratch file and give its history with the file still open."""
    with _caches(small=way.small_caches), open_scratch(reverse_unordered=way.reverse_unordered) as database:
        if way.without_indexes:
            _drop_indexes(database)
        history = start(seed, database, clock_limit=clock_limit, lineage=lineage, shell=shell)
        for number, done in enumerate(range(0, steps, way.batch), start=1):
            count = min(way.batch, steps - done)
            if way.redo and number % way.redo == 0:
                _undone(history, count)
            with database.transaction():
                _steps(history, count)
            if way.reopen and number % way.reopen == 0:
                history.journal = Journal(database, history.journal.shell)
        yield history


def run_branches(history: History, seed: int, branches: int, *, steps: int, way: Way = PLAIN) -> Iterator[str]:
    """Let a history go on in many other ways, each from where it is now, and give a digest of each.

    A branch is drawn from its own seed and rolled back in the end, so that the next one begins where it did. The digest holds the
    head of the log, hence every entry and every run head, and the small tables of state; the large ones follow from the entries,
    as the comparison of whole histories shows.
    """
    for branch in range(branches):
        kept = history.kept()
        with suppress(_RolledBack), history.journal.database.transaction():
            history.rng.seed(f"{seed}/{branch}")
            for done in range(0, steps, way.batch):
                _steps(history, min(way.batch, steps - done))
                if way.reopen and done:
                    history.journal = Journal(history.journal.database, history.journal.shell)
            yield branch_digest(history)
            raise _RolledBack
        history.journal.reload()
        history.restore(kept)


BRANCH_TABLES = ("timer", "counter", "hold", "breaker", "setting")


def branch_digest(history: History) -> str:
    """Hash where a branch has led."""
    database = history.journal.database
    found: list[object] = [database.execute("SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1")]
    found += [database.execute(f"SELECT * FROM {table} ORDER BY 1, 2") for table in BRANCH_TABLES]
    return hashlib.sha256(msgspec.json.encode(found)).hexdigest()[:24]


def _drop_indexes(database: Database) -> None:
    """Take away every index that only speeds things up. Behind the back of the authorizer, which allows no such thing."""
    connection = database._connection
    authorizer, connection.authorizer = connection.authorizer, None
    indexes = database.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
    assert indexes
    for (name,) in indexes:
        database.execute(f"DROP INDEX {name}")
    connection.authorizer = authorizer


def _steps(history: History, count: int) -> None:
    for _ in range(count):
        step(history)
    history.journal.flush()


class _RolledBack(Exception):
    """Thrown into a transaction to have it rolled back."""


def _undone(history: History, count: int) -> None:
    """Do the next steps in a transaction that is rolled back, and go back to before."""
    kept = history.kept()
    with suppress(_RolledBack), history.journal.database.transaction():
        _steps(history, count)
        raise _RolledBack
    history.journal.reload()
    history.restore(kept)


@contextmanager
def _caches(*, small: bool) -> Iterator[None]:
    """Let the state keep next to nothing in memory, so that what it forgets must be read again."""
    limits = [
        (module, name, value)
        for path, module in sorted(sys.modules.items())
        if path.startswith("dee_appliance.store.")
        for name, value in vars(module).items()
        if name.endswith("KEPT")
    ]
    assert limits, "the limits of the caches have got other names"
    try:
        for module, name, value in limits:
            setattr(module, name, 1 if small else value)
        yield
    finally:
        for module, name, value in limits:
            setattr(module, name, value)


def digest_of(database: Database) -> dict[str, str]:
    """Hash every table that must be equal, entry hashes and run heads among them."""
    found: dict[str, str] = {}
    for table in STATE_TABLES:
        rows = database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        found[table] = hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:16]
    return found


def heads_of(database: Database) -> dict[str, tuple[int, str]]:
    """Return length and head of every run's own chain."""
    heads: dict[str, tuple[int, str]] = {}
    for run, body in database.execute("SELECT run, body FROM run ORDER BY run_no"):
        value = msgspec.json.decode(body)
        heads[run] = (value["rs"], value["rp"])
    return heads
