"""Configuration outside the file: which adapter serves a channel on this machine, its credentials, how many attempts in flight.

Nothing here can be seen by a verdict or a state change; what can, is a setting in the file (`dee config set`).
Without a configuration file every channel is served by the sandbox, into a folder beside the file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.channels.registry import ChannelConfig
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.plan import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNELS: tuple[Channel, ...] = ("email", "sms", "voice")


class WrittenChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[channel.NAME]` table."""

    adapter: str = "sandbox"
    concurrency: int = 32
    options: dict[str, object] = {}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file: one `[channel.NAME]` table for each channel that is not served by the sandbox."""

    channel: dict[Channel, WrittenChannel] = {}


def default_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the one file is without --db: DEE_DB, or the folder where this user's programs keep their data."""
    named = environment.get("DEE_DB")
    if named:
        return Path(named)
    from platformdirs import user_data_path  # noqa: PLC0415 - slow to import, and not needed when the variable is set

    return user_data_path("dee", appauthor=False) / "dee.db"


def config_path(file: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the configuration of a file is looked for: DEE_CONFIG, else FILE.toml beside the file."""
    named = environment.get("DEE_CONFIG")
    return Path(named) if named else file.with_name(file.name + ".toml")


def read_config(path: Path) -> Config:
    """Read a configuration file; a missing one is an empty one. Raises Refused, without repeating any value."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("the configuration cannot be read", where=str(path)) from error
    try:
        return msgspec.convert(tomllib.loads(text), Config, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Refused(
            f"the configuration is wrong: {error}", where=str(path), hint="see docs/configuration.md"
        ) from error


def outbox_of(file: Path) -> Path:
    """Return the sandbox's folder beside a file."""
    return file.with_name(file.name + ".outbox")


def channel_configs(config: Config, file: Path, *, local_only: bool) -> dict[Channel, ChannelConfig]:
    """Return how each channel is served for this file."""
    configs: dict[Channel, ChannelConfig] = {}
    for channel in CHANNELS:
        written = config.channel.get(channel, WrittenChannel())
        options = dict(written.options)
        if written.adapter == "sandbox":
            options.setdefault("folder", str(outbox_of(file) / channel))
        configs[channel] = ChannelConfig(
            adapter=written.adapter, concurrency=written.concurrency, local_only=local_only, options=options
        )
    return configs
