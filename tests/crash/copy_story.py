"""A file is copied, linked, moved, put back, taken to another host or robbed of its memory, in any combination.

Then everything that is left is served. Only the original may send, and only while nothing was done to it.

One thing is left out, because nobody on the machine can tell: an older file put back together with the older memory outside,
which is what a clone of the whole disk is.

Everything follows from the seed.
"""

from __future__ import annotations

import json
import os
import random  # noqa: TID251 - a seed tells the story
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from running_files import HandClock, make_file, people, sent

from dee_appliance import Engine
from dee_appliance.errors import DeeError, HostError
from dee_appliance.runtime.appliance import open_appliance
from dee_appliance.store.lock import lock_file
from dee_appliance.store.state_dir import StateDir

START = 1_795_000_000


class CopyTally(msgspec.Struct, kw_only=True):
    """What happened in some stories."""

    stories: int = 0
    acts: int = 0
    served: int = 0
    """How often something was served that must not send."""
    refused: int = 0
    """How often that was refused as a whole."""
    originals: int = 0
    """Originals that were left alone and have sent."""

    def add(self, other: CopyTally) -> None:
        """Add up."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class CopyStory:
    """One file and what becomes of it, in a folder that no other story uses at the same time."""

    def __init__(self, base: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.tally = CopyTally(stories=1)
        self.folder = base / "world"
        self.path = self.folder / "own.db"
        self.state = self.folder / "state"
        self.backup = self.folder / "backup"
        self.clock = HandClock(START)
        self.told: list[str] = []
        self._copies: list[tuple[Path, Path]] = []
        self._sound = True
        """Whether nothing was done to the original that must stop it."""
        self._put_back(base / "kept")

    def _put_back(self, kept: Path) -> None:
        if not kept.exists():
            self.folder.mkdir(parents=True)
            engine = make_file(self.folder, contacts=3, clock=self.clock, pause="30s")
            engine.arm()
            engine.serve(until_idle=True)
            engine.import_contacts(people(self.folder, "later", 3))
            engine.enroll("notes")
            shutil.copytree(self.folder, kept)
        shutil.rmtree(self.folder)
        shutil.copytree(kept, self.folder)
        shutil.copy(self.path, self.backup)

    def engine(self, path: Path | None = None, state: Path | None = None) -> Engine:
        """Return an engine for a file with the memory of a host."""
        return Engine(path or self.path, state_dir=StateDir(state or self.state), clock=self.clock)

    def tell(self) -> CopyTally:
        """Do some things, then serve everything twice, some time apart. Raises AssertionError."""
        for act in self.dice.sample(self._acts(), self.dice.randint(1, 4)):
            if self.path.exists():
                self.told.append(act.__name__.strip("_"))
                self.tally.acts += 1
                act()
        for _ in range(2):
            self._serve_everything()
            self.clock.go_on(40)
        return self.tally

    def _acts(self) -> list[Callable[[], None]]:
        return [
            self._cp_idle,
            self._cp_busy,
            self._snapshot_idle,
            self._snapshot_busy,
            self._hard_link,
            self._move,
            self._older_cp_back,
            self._older_renamed_over,
            self._older_and_no_tip,
            self._tip_lost,
            self._tip_damaged,
            self._arming_lost,
            self._arming_damaged,
            self._arming_of_another,
            self._other_host,
            self._no_memory,
            self._memory_copied_along,
            self._second_process,
            self._lock_deleted,
            self._time_passes,
        ]

    # -- what must hold --

    def _serve_everything(self) -> None:
        everything = [(path, state) for path, state in self._copies if path.exists()]
        if self.path.exists():
            everything.append((self.path, self.state))
        self.dice.shuffle(everything)
        for path, state in everything:
            self._serve(path, state)

    def _serve(self, path: Path, state: Path) -> None:
        before = self._all_sent()
        original = self._sound and (path, state) == (self.path, self.state)
        try:
            self.engine(path, state).serve(until_idle=True)
        except DeeError:
            assert not original, f"the original is refused after {self.told}"
            self.tally.refused += 1
        new = sorted(set(self._all_sent()) - set(before))
        if original:
            self.tally.originals += bool(new)
        else:
            self.tally.served += 1
            assert not new, f"{path.name} has sent {new} after {self.told}"
        keys = [name.partition("-")[0] for name in self._all_sent()]
        assert len(keys) == len(set(keys)), f"sent twice after {self.told}"

    def _all_sent(self) -> list[str]:
        paths = {self.path, *(path for path, _ in self._copies)}
        return [name for path in sorted(paths) for name in sent(path)]

    # -- copies --

    def _new(self) -> Path:
        folder = self.folder / self.dice.choice((".", "elsewhere"))
        folder.mkdir(exist_ok=True)
        path = folder / f"copy-{len(self._copies)}.db"
        self._copies.append((path, self.state))
        return path

    def _cp_idle(self) -> None:
        shutil.copy(self.path, self._new())

    def _cp_busy(self) -> None:
        """A plain copy of a file in use, with or without what lies beside it."""
        with_log = self.dice.random() < 0.5

        def copy() -> None:
            path = self._new()
            shutil.copy(self.path, path)
            wal = self.path.with_name("own.db-wal")
            if with_log and wal.exists():
                shutil.copy(wal, path.with_name(path.name + "-wal"))

        self._while_running(copy)

    def _snapshot_idle(self) -> None:
        with suppress(DeeError):
            self.engine().snapshot(self._new())

    def _snapshot_busy(self) -> None:
        self._while_running(lambda: self.engine().snapshot(self._new()))

    def _hard_link(self) -> None:
        os.link(self.path, self._new())

    def _move(self) -> None:
        self.path.rename(self._new())
        self._sound = False

    # -- older states --

    def _go_on(self) -> None:
        """The original does some more, if it can."""
        with suppress(DeeError):
            self.engine().serve(until_idle=True)

    def _older_cp_back(self) -> None:
        self._go_on()
        shutil.copy(self.backup, self.path)
        self._sound = False

    def _older_renamed_over(self) -> None:
        self._go_on()
        older = self.folder / "older.db"
        shutil.copy(self.backup, older)
        older.rename(self.path)
        self._sound = False

    def _older_and_no_tip(self) -> None:
        self._older_cp_back()
        self._tip_lost()

    # -- the memory outside --

    def _memory(self, name: str) -> Path:
        (folder,) = (one for one in self.state.iterdir() if one.is_dir())
        return folder / name

    def _tip_lost(self) -> None:
        self._memory("tip").unlink(missing_ok=True)
        self._sound = False

    def _tip_damaged(self) -> None:
        size = self.dice.choice((0, 100, 8192))
        self._memory("tip").write_bytes(self.dice.randbytes(size))
        self._sound = False

    def _arming_lost(self) -> None:
        self._memory("arming").unlink(missing_ok=True)
        self._sound = False

    def _arming_damaged(self) -> None:
        self._memory("arming").write_bytes(self.dice.randbytes(self.dice.choice((0, 50))))
        self._sound = False

    def _arming_of_another(self) -> None:
        """The record of another lineage, of another incarnation or of another file lies there."""
        field, value = self.dice.choice((("lineage", "00" * 16), ("incarnation", 7), ("path", "/elsewhere/own.db")))
        record = json.dumps({"lineage": "", "incarnation": 1, "path": str(self.path), "host": "", field: value})
        with suppress(OSError, ValueError):
            record = json.dumps({**json.loads(self._memory("arming").read_bytes()), field: value})
        self._memory("arming").write_text(record)
        self._sound = False

    def _other_host(self) -> None:
        (self.state / "host-id").write_text(self.dice.randbytes(16).hex())
        self._sound = False

    def _no_memory(self) -> None:
        self._copies.append((self.path, self.folder / "fresh"))

    def _memory_copied_along(self) -> None:
        """The folder was copied with the state directory in it, say with a home directory."""
        state = self.folder / f"state-{len(self._copies)}"
        shutil.copytree(self.state, state)
        path = self._new()
        self._copies[-1] = (path, state)
        shutil.copy(self.path, path)

    # -- two at a time --

    def _while_running(self, act: Callable[[], None]) -> None:
        """Do something while a loop has the file, and has messages on their way if it may send."""
        if not self._sound:
            act()
            return
        with open_appliance(self.path, "a loop", clock=self.clock, state_dir=StateDir(self.state)) as running:
            loop = running.loop()
            loop.recover()
            loop.turn()
            act()
            while loop.turn():
                pass
            loop.finish()

    def _second_process(self) -> None:
        def second() -> None:
            if self._sound:
                with suppress(HostError):
                    self.engine().serve(until_idle=True)
                    raise AssertionError("a second process runs the file")
            for path, state in [one for one in self._copies if one[0] != self.path and one[0].exists()]:
                self._serve(path, state)

        self._while_running(second)

    def _lock_deleted(self) -> None:
        """Somebody tidies up. Then a second process gets a lock of that name."""

        def second() -> None:
            lock_file(self.path).unlink(missing_ok=True)
            before = self._all_sent()
            with suppress(DeeError):
                self.engine().serve(until_idle=True)
            assert not self._sound or self._all_sent() == before, "a second process sends"

        self._while_running(second)

    def _time_passes(self) -> None:
        self.clock.go_on(40)
