"""Which adapters there are, and how one is opened.

Lives here: the table of adapters and the configuration of a channel. That configuration (credentials, endpoints, concurrency)
stands outside the file and decides nothing the kernel can see. A new adapter is one row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from dee_appliance.channels.interface import Adapter
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.plan import Channel

Options = TypeVar("Options", bound=msgspec.Struct)

MAX_CONCURRENCY: Final = 256


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a channel is served on this machine.

    `concurrency` bounds the attempts in flight. `local_only` is set for simulated files: nothing may leave this machine then.
    `options` are the adapter's own.
    """

    adapter: str = "sandbox"
    concurrency: int = 32
    local_only: bool = False
    options: dict[str, object] = {}

    def __repr__(self) -> str:
        return f"ChannelConfig(adapter={self.adapter!r}, concurrency={self.concurrency}, local_only={self.local_only})"


def open_adapter(channel: Channel, config: ChannelConfig) -> Adapter:
    """Make the adapter that serves a channel. Raises Refused when the configuration does not make sense.

    With `local_only` an adapter that does not prove to be local is refused, and one that is resolves nothing but loopback later.
    """
    factory = ADAPTERS.get(config.adapter)
    if factory is None:
        raise Refused(
            f"there is no adapter `{config.adapter}`",
            where=f"channel {channel}",
            hint=f"adapters are {', '.join(ADAPTERS)}",
        )
    if not 1 <= config.concurrency <= MAX_CONCURRENCY:
        raise Refused(f"concurrency must be from 1 to {MAX_CONCURRENCY}", where=f"channel {channel}")
    adapter = factory(channel, config)
    if config.local_only and not adapter.is_local():
        adapter.close()
        raise Refused(
            f"a simulated file cannot use {adapter.name}: {adapter.peer()} is not this machine",
            where=f"channel {channel}",
            hint="use the sandbox, or a server on 127.0.0.1",
        )
    return adapter


def read_options(kind: type[Options], channel: Channel, config: ChannelConfig) -> Options:
    """The adapter's own options, checked. Raises Refused; the message never repeats a value, which may be a secret."""
    try:
        return msgspec.convert(config.options, kind, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(f"options of {config.adapter}: {error}", where=f"channel {channel}") from None


# Each adapter is imported when it is used: TLS alone costs every command twenty milliseconds.


def _null(channel: Channel, config: ChannelConfig) -> Adapter:
    from dee_appliance.channels.null import NullAdapter  # noqa: PLC0415 - see above

    read_options(NoOptions, channel, config)
    return NullAdapter(channel)


def _sandbox(channel: Channel, config: ChannelConfig) -> Adapter:
    from dee_appliance.channels.sandbox import SandboxAdapter, SandboxOptions  # noqa: PLC0415 - see above

    return SandboxAdapter(channel, read_options(SandboxOptions, channel, config))


def _smtp(channel: Channel, config: ChannelConfig) -> Adapter:
    from dee_appliance.channels.smtp import SmtpAdapter, SmtpOptions  # noqa: PLC0415 - see above

    if channel != "email":
        raise Refused("smtp sends e-mail only", where=f"channel {channel}", hint="use the sandbox for this channel")
    options = read_options(SmtpOptions, channel, config)
    return SmtpAdapter(options, concurrency=config.concurrency, local_only=config.local_only)


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For an adapter that has none."""


ADAPTERS: Final[dict[str, Callable[[Channel, ChannelConfig], Adapter]]] = {
    "sandbox": _sandbox,
    "smtp": _smtp,
    "null": _null,
}
