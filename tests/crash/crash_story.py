"""One story of a crash test: an armed file, a provider that survives, people who use the file, and a `dee serve` that is killed.

Everything random comes from the seed, apart from the times of the machine itself. The file, its memory outside and the ledger of
the provider stay in the story's folder when a rule is broken.
"""

from __future__ import annotations

import os
import random  # noqa: TID251 - a seed tells the story
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from crash_checks import ChainWalk, Summary, check_after_kill, check_end, provider_keys
from running_files import make_file, people

from dee_appliance import Engine
from dee_appliance.store.state_dir import StateDir

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAM_PATH = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
CHANNEL = (
    '[channel.email]\nadapter = "smtp"\nconcurrency = 32\noptions = { host = "127.0.0.1", port = %d, tls = "none" }\n'
)
END_PATIENCE_S = 60.0
OTHERS_DIE = 0.15
"""How likely it is, after each death of the loop, that whoever uses the file dies too."""


def tell(folder: Path, seed: int, *, kills: int, contacts: int, others: bool, worst_ms: int = 60) -> Summary:
    """Tell one story to its end and return what it showed. Raises AssertionError when a rule was broken."""
    with Story(folder, seed, contacts=contacts, worst_ms=worst_ms) as story:
        story.kill(kills, others=others)
        return story.finish()


class Story:
    """One file with its world. A context manager that ends every process it started."""

    def __init__(self, folder: Path, seed: int, *, contacts: int, worst_ms: int = 60) -> None:
        self.folder = folder
        self.seed = seed
        self.random = random.Random(seed)
        self.path = folder / "story.db"
        self.state = folder / "state"
        self.ledger = folder / "ledger"
        self.acknowledged = folder / "acknowledged"
        self.engine = Engine(self.path, state_dir=StateDir(self.state))
        self.walk = ChainWalk()
        self.kills = 0
        self._contacts = contacts
        self._worst_ms = worst_ms
        self._provider: subprocess.Popen[str] | None = None
        self._actor: subprocess.Popen[bytes] | None = None
        self._actors = 0
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        self._start_provider()
        make_file(self.folder, contacts=self._contacts, name=self.path.name, pause="1s")
        self.engine.arm()
        return self

    def __exit__(self, *of: object) -> None:
        for process in (self._provider, self._actor):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if self._provider is not None:
            for pipe in (self._provider.stdin, self._provider.stdout):
                assert pipe is not None
                pipe.close()
        for file in self._files:
            file.close()

    # -- the world --

    def _start_provider(self) -> None:
        command = [
            sys.executable,
            str(HERE / "crash_provider.py"),
            str(self.ledger),
            str(self.seed),
            str(self._worst_ms),
        ]
        self._provider = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._provider.stdout is not None
        port = int(self._provider.stdout.readline())
        self.path.with_name("story.db.toml").write_text(CHANNEL % port)

    def import_people(self, name: str, count: int) -> None:
        """Bring in new people."""
        assert self.engine.import_contacts(people(self.folder, name, count)).new == count

    def environment(self) -> dict[str, str]:
        """Return the environment of the story's processes: its own memory outside the file."""
        return {**os.environ, "DEE_STATE_DIR": str(self.state), "PYTHONPATH": PROGRAM_PATH}

    def log(self, name: str) -> IO[bytes]:
        """Open a file for what a process says."""
        file = (self.folder / name).open("ab")
        self._files.append(file)
        return file

    def start_actor(self) -> None:
        """Let somebody use the file from another process."""
        self._actors += 1
        command = [
            sys.executable,
            str(HERE / "crash_actor.py"),
            str(self.path),
            str(self.acknowledged),
            str(self.random.randrange(2**32)),
        ]
        out = self.log("actor.log")
        self._actor = subprocess.Popen(command, env=self.environment(), stdout=out, stderr=out)

    def kill_actor(self) -> None:
        """Kill whoever uses the file, wherever it is."""
        assert self._actor is not None
        assert self._actor.poll() is None, (self.folder / "actor.log").read_text()[-3000:]
        self._actor.kill()
        self._actor.wait()
        self._actor = None

    # -- the loop --

    def serve(self, *more: str) -> subprocess.Popen[bytes]:
        """Start `dee serve`."""
        command = [sys.executable, "-m", "dee_appliance", "--db", str(self.path), "serve", *more]
        return subprocess.Popen(
            command, env=self.environment(), cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def started(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the first line of a `dee serve`. False: somebody else has the file just now."""
        assert process.stderr is not None
        line = process.stderr.readline()
        return b"serving" in line

    def kill(self, times: int, *, others: bool) -> None:
        """Kill the loop that many times. `others`: people use the file meanwhile, and some of them are killed as well."""
        while self.kills < times:
            if others and self._actor is None:
                self.start_actor()
            self.kill_cycle()
            if others and self.random.random() < OTHERS_DIE:
                self.kill_actor()

    def kill_cycle(self) -> None:
        """Start the loop, kill it at some instant, and look at what it leaves."""
        process = self.serve()
        assert process.stderr is not None
        try:
            if self.started(process):
                with suppress(subprocess.TimeoutExpired):
                    process.wait(self._instant())
            process.kill()
            code = process.wait()
            said = process.stderr.read().decode()
        finally:
            process.stderr.close()
        if code == -signal.SIGKILL:
            self.kills += 1
        else:
            # Nobody killed it: then a command had the file for a moment, and the loop was told so.
            assert "another process runs this file" in said, f"exit code {code}: {said}"
        check_after_kill(self.path, provider_keys(self.ledger), self.walk)

    def _instant(self) -> float:
        """Return how many seconds a loop lives: some while it recovers, most while messages are on their way."""
        where = self.random.random()
        if where < 0.3:
            return self.random.random() * 0.05
        if where < 0.85:
            return 0.05 + self.random.random() * 0.3
        return 0.3 + self.random.random() * 0.9

    def finish(self) -> Summary:
        """Let everything come to its end, undisturbed, and check it all."""
        if self._actor is not None:
            self.kill_actor()
        self.serve_until_idle()  # whoever was killed may have left a release in the inbox
        for scope in ("*", "channel:email", "plan:notes"):
            if scope in self._held():
                self.engine.release(scope)
        paused = self._runs("PAUSED")
        if paused:
            self.engine.operate("resume", paused)
        end = time.monotonic() + END_PATIENCE_S
        while self._runs("PENDING", "ACTIVE", "WAITING", "HELD"):
            assert time.monotonic() < end, "the runs do not come to their end"
            self.serve_until_idle()
        taken = provider_keys(self.ledger)
        summary = check_end(self.path, self.state, taken, self.walk, acknowledged=self.acknowledged)
        summary.kills = self.kills
        return summary

    def serve_until_idle(self) -> None:
        """Let the loop do what it can do now."""
        process = self.serve("--until-idle")
        _, said = process.communicate(timeout=END_PATIENCE_S)
        assert process.returncode == 0, said.decode()

    def _held(self) -> set[str]:
        with self.engine.view() as view:
            return {hold.scope for hold in view.state.holds}

    def _runs(self, *statuses: str) -> list[str]:
        with self.engine.view() as view:
            rows = view.database.execute("SELECT run, status FROM run ORDER BY run_no")
        return [run for run, status in rows if status in statuses]
