"""One written file, read: its values and where each of them stands.

TOML is what people write; JSON with the same fields is taken from programs. YAML is refused, and so is every file that is not
plain text of a sane size. What the values mean is not known here.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from dee_appliance.authoring.finding import Findings
from dee_appliance.authoring.positions import Positions
from dee_appliance.errors import Refused

MAX_FILE_BYTES = 1_048_576

_NO_YAML = (
    "YAML is not read: it turns 21:00 into 1260, NO into false and +15550100 into a number without its plus, "
    "so a plan could mean something else than it says"
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one file and their positions; `file` is the name used in findings."""

    file: str
    data: dict[str, object]
    positions: Positions


def read_text(path: Path) -> str:
    """Return a small UTF-8 text file with plain newlines. Raises Refused for anything else."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Refused(
            f"cannot be read: {error.strerror or error}", where=str(path), hint="check the path and its permissions"
        ) from error
    except ValueError as error:
        raise Refused("is not a file name", where=ascii(str(path)), hint="give the path of a file") from error
    if len(raw) > MAX_FILE_BYTES:
        raise Refused(f"is larger than {MAX_FILE_BYTES} bytes", where=str(path), hint="is this the right file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Refused("is not UTF-8 text", where=f"{path}:{line}", hint="save the file as UTF-8") from error
    return text.replace("\r\n", "\n")


def read_source(path: Path, found: Findings) -> Source | None:
    """Read a .toml or .json file; a mistake of syntax becomes a finding and gives None. Raises Refused if it is neither."""
    match path.suffix.lower():
        case ".toml":
            return _parsed(path, read_text(path), "toml", found)
        case ".json":
            return _parsed(path, read_text(path), "json", found)
        case ".yaml" | ".yml":
            raise Refused(_NO_YAML, where=str(path), hint="write the same fields as TOML in a file ending in .toml")
        case _:
            raise Refused("is neither a .toml nor a .json file", where=str(path), hint="name a file ending in .toml")


def _parsed(path: Path, text: str, kind: Literal["toml", "json"], found: Findings) -> Source | None:
    file = str(path)
    try:
        data = tomllib.loads(text) if kind == "toml" else json.loads(text, object_pairs_hook=_no_repeats)
        if not isinstance(data, dict):
            found.refuse(file, 1, "syntax", "the file must hold one object", "start it with {")
            return None
        # JSON can escape half of a pair of surrogates, which is no text.
        json.dumps(data, ensure_ascii=False, default=str).encode()
        return Source(file=file, data=data, positions=Positions(text, kind))
    except json.JSONDecodeError as error:
        found.refuse(file, error.lineno, "syntax", f"not valid JSON: {error.msg}")
    except UnicodeEncodeError:
        found.refuse(file, 1, "syntax", "a text holds half of a surrogate pair", "write the character itself")
    except ValueError as error:
        line, reason = _toml_line(str(error), text)
        found.refuse(file, line, "syntax", f"not valid {kind.upper()}: {reason}", _syntax_help(text, line))
    except RecursionError:
        found.refuse(file, 1, "syntax", "values are nested too deeply")
    return None


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key "{twice}" stands twice in one object')
    return table


def _toml_line(message: str, text: str) -> tuple[int, str]:
    """Split "reason (at line 3, column 5)" as tomllib writes it; without a place the whole file is meant."""
    reason, _, place = message.rpartition(" (at ")
    if place.startswith("line "):
        return int(place.removeprefix("line ").partition(",")[0]), reason
    if place.startswith("end of document"):
        return max(1, text.rstrip("\n").count("\n") + 1), f"{reason} at the end of the file"
    return 1, message


def _syntax_help(text: str, line: int) -> str:
    """Recognise what people bring along from other formats."""
    lines = text.split("\n")
    written = lines[line - 1].strip() if line <= len(lines) else ""
    key, equals, value = written.partition("=")
    if not equals and ":" in key:
        return f"TOML writes key = value: {key.partition(':')[0].strip()} = …"
    if equals and re.match(r"\s*[0-9]{1,2}:[0-9]{2}\s*([,}#].*)?$", value):
        return "a time of day has seconds: 09:00:00"
    if equals and value.strip()[:1].isalpha():
        return f'text stands in quotes: {key.strip()} = "{value.strip()[:40]}"'
    return ""
