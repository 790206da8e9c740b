"""A mail provider that survives: an SMTP server in a process of its own, with a memory that nobody can take back.

    python crash_provider.py LEDGER SEED [WORST_MS]

It prints its port and serves until its standard input closes. Every message that it takes over is one line of LEDGER (O_APPEND),
written before the answer leaves, also when the client has died meanwhile, as a real provider would. It is slow by random times,
refuses some recipients and some messages, and now and then it says nothing at all: such an answer is lost, whether or not the
message was taken.

Not aiosmtpd: half of what is wanted here is what a good server never does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random  # noqa: TID251 - a seed makes the provider's moods
import sys

WORST_MS = 60


class Provider:
    """What the connections share: the ledger, the dice and how slow things are."""

    def __init__(self, ledger: str, seed: int, worst_ms: int) -> None:
        self._descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._random = random.Random(seed)
        self._worst_ms = worst_ms
        self._never = asyncio.Event()

    async def pause(self) -> None:
        """Take a while."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._never.wait(), self._random.random() * self._worst_ms / 1000)

    def chance(self, percent: float) -> bool:
        """Throw the dice."""
        return self._random.random() * 100 < percent

    def record(self, key: str, recipient: str) -> None:
        """Remember a message for ever: one write to a file that only grows."""
        os.write(self._descriptor, f"{key} {recipient}\n".encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one client until it leaves, or dies."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await Conversation(self, reader, writer).run()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class Conversation:
    """One connection."""

    def __init__(self, provider: Provider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._provider = provider
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        """Answer command after command."""
        await self._say("220 provider.test ESMTP")
        recipient = ""
        while line := await self._reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                await self._say("250-provider.test\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
            elif verb == b"RCPT":
                recipient = line.partition(b"<")[2].partition(b">")[0].decode()
                await self._say(self._welcome())
            elif verb == b"DATA":
                await self._say("354 go on")
                body = await self._body()
                if not await self._take(body, recipient):
                    return
            elif verb == b"QUIT":
                await self._say("221 2.0.0 bye")
                return
            else:
                await self._say("250 2.0.0 ok")

    def _welcome(self) -> str:
        if self._provider.chance(2):
            return "450 4.2.1 later"
        return "550 5.1.1 nobody" if self._provider.chance(1) else "250 2.1.5 ok"

    async def _body(self) -> bytes:
        lines: list[bytes] = []
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionError
            lines.append(line)
        return b"".join(lines)

    async def _take(self, body: bytes, recipient: str) -> bool:
        """Take the message over, or do not. False: hang up without a word."""
        provider = self._provider
        await provider.pause()
        if provider.chance(2):
            await self._say("451 4.3.0 not now")
            return True
        if provider.chance(1):
            return False
        key = body.partition(b"Message-ID: <")[2].partition(b"@")[0].decode()
        provider.record(key, recipient)
        await provider.pause()
        if provider.chance(1):
            return False
        await self._say("250 2.0.0 ok: queued as Q1")
        return True

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()


async def main(ledger: str, seed: str, worst_ms: str = str(WORST_MS)) -> None:
    """Serve until standard input closes."""
    provider = Provider(ledger, int(seed), int(worst_ms))
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # a client that is still connected keeps nobody here


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
