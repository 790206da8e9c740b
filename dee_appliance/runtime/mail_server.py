"""A real SMTP server on loopback for the demo: takes every message and keeps it as a file."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from aiosmtpd.smtp import Envelope, Session

LOOPBACK = "127.0.0.1"


class _Keep:
    """aiosmtpd's handler: one file for each message."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one message."""
        del server, session
        content = envelope.content
        assert isinstance(content, bytes)
        self.count += 1
        (self._folder / f"{self.count:05d}.eml").write_bytes(content)
        return f"250 2.0.0 queued as {self.count:05d}"


class MailServer:
    """An SMTP server on a free loopback port, in a thread of its own. A context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._handler = _Keep(folder)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.port = 0

    @property
    def count(self) -> int:
        """How many messages it has taken."""
        return self._handler.count

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(self._protocol, LOOPBACK, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._hang_up())
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    async def _hang_up(self) -> None:
        """End the conversations that are still open: a demo that was interrupted leaves some."""
        talking = asyncio.all_tasks() - {asyncio.current_task()}
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)

    def _protocol(self) -> Any:  # noqa: ANN401 - aiosmtpd has no types
        return SMTP(self._handler, hostname="demo.invalid", loop=self._loop)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
