"""Stories of the gate campaign: a file, so many operations in transactions of a few each, deaths between them, and a replay.

A death throws away what was not committed, opens the journal anew, and answers for what was in flight. At the end the whole file
is applied again from its inputs, and must come out the same.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
from gate_operations import Campaign, FeatureShell, begin, operate_once
from kernel_invariants import faults_of_file
from replayed_files import COLUMNS, REPLAYED, Recorded
from schedule_happenings import crash

from dee_appliance.replay.replay import replay
from dee_appliance.replay.verify import verify
from dee_appliance.store.database import Database, open_scratch
from dee_appliance.store.journal import InputRow, Journal, write_genesis

OPERATIONS_A_STORY = 2_000
BATCHES = (1, 1, 2, 5, 20)


class Told(msgspec.Struct, kw_only=True):
    """What a story has shown: its faults, and how often each thing happened."""

    seed: int
    operations: int = 0
    deaths: int = 0
    inputs: int = 0
    entries: int = 0
    permits: int = 0
    faults: list[str] = []
    seen: Counter[str] = msgspec.field(default_factory=Counter)


class _Death(Exception):
    """The process dies before the commit."""


def tell(seed: int, operations: int = OPERATIONS_A_STORY, *, folder: Path | None = None) -> Told:
    """Tell the story of a seed. With a folder the file is also verified and replayed on the disk, as a stranger's would be."""
    told = Told(seed=seed)
    with open_scratch(reverse_unordered=bool(seed % 2)) as database:
        campaign = begin(seed, database)
        while told.operations < operations and not campaign.auditor.faults:
            _some(campaign, told, min(campaign.rng.choice(BATCHES), operations - told.operations))
        told.faults += campaign.auditor.faults
        told.faults += faults_of_file(campaign.journal)
        told.faults += _permits(campaign)
        told.faults += _replayed(campaign)
        if folder is not None:
            told.faults += _on_disk(database, folder / f"story-{seed}.db")
        told.inputs, told.entries = campaign.journal.last_seq, campaign.read
        told.permits = len(campaign.sent)
        told.seen = campaign.auditor.seen + Counter({f"operation {one}": n for one, n in campaign.operations.items()})
    return told


def _some(campaign: Campaign, told: Told, count: int) -> None:
    """Some operations in one transaction; now and then the process dies before it commits, or after."""
    dies = campaign.rng.random()
    kept = campaign.kept()
    counts = (
        campaign.tokens,
        campaign.people,
        list(campaign.freed),
        Counter(campaign.versions),
        Counter(campaign.operations),
    )
    with suppress(_Death), campaign.journal.database.transaction():
        for _ in range(count):
            operate_once(campaign)
        campaign.journal.flush()
        if dies < 0.01:
            raise _Death
    if dies < 0.01:
        drawn = campaign.rng.getstate()
        campaign.restore(kept)
        campaign.rng.setstate(drawn)
        campaign.tokens, campaign.people, campaign.freed, campaign.versions, campaign.operations = counts
        campaign.pending.clear()
    else:
        told.operations += count
        campaign.audit()
    if dies < 0.02:
        told.deaths += 1
        campaign.journal = Journal(campaign.journal.database, FeatureShell())
        with campaign.journal.database.transaction():
            crash(campaign)
            campaign.journal.flush()
        campaign.audit()


def _permits(campaign: Campaign) -> list[str]:
    """What the provider got is what the auditor has seen permits for, once each."""
    sent = Counter((one.send_key, one.attempt) for one in campaign.sent)
    if sent == Counter(dict.fromkeys(campaign.auditor.attempts, 1)):
        return []
    return ["what was sent is not what the log has permits for"]


def _replayed(campaign: Campaign) -> list[str]:
    """Apply the inputs again, and compare every table."""
    first = campaign.journal.database
    found = []
    with open_scratch() as database:
        with database.transaction():
            write_genesis(database, campaign.journal.genesis)
            rows = first.execute("SELECT * FROM document ORDER BY 1")
            database.many("INSERT INTO document VALUES (?, ?, ?, ?)", rows)
            journal = Journal(database, Recorded(first))
            for row in first.execute(f"SELECT {', '.join(COLUMNS)} FROM input ORDER BY seq"):
                journal.apply(InputRow(**dict(zip(COLUMNS, row, strict=True))))
            journal.flush()
        for table in sorted({*REPLAYED, "touch"}):
            whole = f"SELECT * FROM {table} ORDER BY 1, 2"
            if sorted(database.execute(whole), key=repr) != sorted(first.execute(whole), key=repr):
                found.append(f"{table} replays otherwise")
    return found


def _on_disk(database: Database, path: Path) -> list[str]:
    path.touch(mode=0o600)
    database.copy_pages(path)
    report, verified = replay(path), verify(path)
    path.unlink()
    found = [] if report.same else [f"replayed otherwise: {report.divergence}"]
    return found if verified.ok else [*found, f"does not verify: {verified.findings}"]
