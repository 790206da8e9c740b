"""One story of a crash test: a real armed file, a provider that survives, people who keep using it, and a `dee serve` that is killed.

Everything random comes from the seed, apart from the times of the machine itself. The file, its memory outside and the ledgers of the
provider stay in the story's folder when a rule is broken.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
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
START_PATIENCE_S = 30.0
END_PATIENCE_S = 60.0


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

    # ---- the world ----------------------------------------------------------------------------------------------------------------

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

    # ---- the loop -----------------------------------------------------------------------------------------------------------------

    def serve(self, *more: str) -> subprocess.Popen[bytes]:
        """Start `dee serve` and return when it says that it begins."""
        command = [sys.executable, "-m", "dee_appliance", "--db", str(self.path), "serve", *more]
        process = subprocess.Popen(
            command, env=self.environment(), cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        return process

    def started(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the first line of a `dee serve`. False: somebody else has the file just now."""
        assert process.stderr is not None
        line = process.stderr.readline()
        return b"serving" in line

    def kill_cycle(self) -> None:
        """Start the loop, kill it at some instant, and look at what it leaves."""
        process = self.serve()
        assert process.stderr is not None
        try:
            if self.started(process):
                time.sleep(self._instant())
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
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
        """Return how long a loop lives, in seconds: often while it recovers, mostly while messages are on their way, sometimes longer."""
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
        for scope in ("*", "channel:email", "plan:notes"):
            if any(hold.scope == scope for hold in self._holds()):
                self.engine.release(scope)
        paused = self._runs("PAUSED")
        if paused:
            self.engine.operate("resume", paused)
        end = time.monotonic() + END_PATIENCE_S
        while self._runs("PENDING", "ACTIVE", "WAITING", "HELD"):
            assert time.monotonic() < end, "the runs do not come to their end"
            process = self.serve("--until-idle")
            _, said = process.communicate(timeout=END_PATIENCE_S)
            assert process.returncode == 0, said.decode()
            time.sleep(0.2)
        taken = provider_keys(self.ledger)
        summary = check_end(self.path, self.state, taken, self.walk, acknowledged=self.acknowledged)
        summary.kills = self.kills
        return summary

    def _holds(self) -> tuple[object, ...]:
        with self.engine.view() as view:
            return view.state.holds

    def _runs(self, *statuses: str) -> list[str]:
        with self.engine.view() as view:
            rows = view.database.execute("SELECT run, status FROM run ORDER BY run_no")
        return [run for run, status in rows if status in statuses]
