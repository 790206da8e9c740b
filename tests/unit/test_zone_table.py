"""The compiler of the zone table: what it makes of the tzdata package, of footers, and of damaged files.

Here a zone file is built by hand where the package has no example. Python's own reader is the second opinion; it is only
ever given bytes, never a name, so it cannot fall back to the host's files.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import tzdata  # type: ignore[import-untyped]

from dee_appliance.authoring import zone_table
from dee_appliance.authoring.zone_table import FROM_UTC, UNTIL_UTC, compile_zone_table, read_zone
from dee_appliance.errors import HostError
from dee_appliance.kernel.e1.civil_time import DAY_S, ZoneTable, format_utc, parse_utc
from dee_appliance.kernel.e1.encoding import canonical

CHECKOUT = Path(__file__).parents[2]


@cache
def compiled() -> dict[str, object]:
    return compile_zone_table()


def zone_file(footer: str, transitions: tuple[tuple[int, int], ...] = (), offsets: tuple[int, ...] = (0,)) -> bytes:
    """Build a version 2 zone file: transitions (UTC, index of offset), one type per offset."""

    def block(size: str, rows: tuple[tuple[int, int], ...]) -> bytes:
        counts = (0, 0, 0, len(rows), len(offsets), 4)
        body = b"".join(struct.pack(size, time) for time, _ in rows) + bytes(index for _, index in rows)
        types = b"".join(struct.pack(">lBB", offset, 0, 0) for offset in offsets)
        return struct.pack(">4sc15x6L", b"TZif", b"2", *counts) + body + types + b"XXX\0"

    return block(">l", ()) + block(">q", transitions) + b"\n" + footer.encode() + b"\n"


# --- The whole package ------------------------------------------------------------------------------------------------


def test_every_zone_of_the_package_is_there_and_no_other() -> None:
    ids = (Path(tzdata.__file__).parent / "zones").read_text(encoding="ascii").split()
    assert ZoneTable(compiled()).zones() == tuple(sorted(ids))
    assert len(ids) > 590


def test_the_table_is_small_plain_and_names_its_release() -> None:
    encoded = canonical(compiled())
    assert len(encoded) <= 130_000
    assert encoded.isascii()
    assert json.loads(encoded) == compiled()
    assert list(compiled()) == ["version", "from", "until", "functions", "zones"]
    assert compiled()["version"] == tzdata.IANA_VERSION
    assert (format_utc(FROM_UTC), format_utc(UNTIL_UTC)) == ("2015-01-01T00:00:00Z", "2041-01-01T00:00:00Z")


def test_compiling_twice_gives_the_same_bytes() -> None:
    assert canonical(compile_zone_table()) == canonical(compiled())


def test_no_function_is_stored_twice_and_no_change_changes_nothing() -> None:
    functions = compiled()["functions"]
    assert isinstance(functions, list)
    assert len({json.dumps(rows) for rows in functions}) == len(functions)
    for rows in functions:
        assert rows[0][0] == FROM_UTC
        assert all(before[0] < after[0] and before[1] != after[1] for before, after in pairwise(rows))
        assert rows[-1][0] < UNTIL_UTC


def test_a_shorter_span_is_a_part_of_the_longer_one() -> None:
    start, end = parse_utc("2026-03-08T06:59:59Z"), parse_utc("2026-03-08T07:00:01Z")
    long, short = ZoneTable(compiled()), ZoneTable(compile_zone_table(from_utc=start, until_utc=end))
    for zone in long.zones():
        for utc in range(start, end):
            assert short.offset_at(zone, utc) == long.offset_at(zone, utc)


def test_a_change_at_the_very_end_is_left_out() -> None:
    end = parse_utc("2026-03-08T07:00:00Z")
    table = ZoneTable(compile_zone_table(from_utc=end - DAY_S, until_utc=end))
    assert table.offset_at("America/New_York", end - 1) == -5 * 3600


PROBE = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import json
import tzdata
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.civil_time import ZoneTable
digest = ZoneTable(compile_zone_table()).digest
print(json.dumps({"digest": digest, "from": tzdata.__file__, "opened": opened, "modules": sorted(sys.modules)}))
"""


def probe(first_on_path: Path | None, **environment: str) -> dict[str, object]:
    paths = [str(path) for path in (first_on_path, CHECKOUT) if path is not None]
    run = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | environment,
        capture_output=True,
        check=True,
        text=True,
    )
    answer: dict[str, object] = json.loads(run.stdout)
    return answer


@pytest.mark.slow
def test_the_package_is_read_out_of_a_zip_on_the_path(tmp_path: Path) -> None:
    archive, package = tmp_path / "bundle.zip", Path(tzdata.__file__).parent
    with zipfile.ZipFile(archive, "w") as bundle:
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                bundle.write(file, file.relative_to(package.parent))
    answer = probe(archive)
    assert str(answer["from"]).startswith(str(archive))
    assert answer["digest"] == ZoneTable(compiled()).digest


@pytest.mark.slow
def test_nothing_of_the_host_is_read(tmp_path: Path) -> None:
    (tmp_path / "UTC").write_bytes(zone_file("<+14>-14", offsets=(50_400,)))
    answer = probe(None, TZ="Pacific/Kiritimati", PYTHONTZPATH=str(tmp_path), TZDIR=str(tmp_path))
    assert answer["digest"] == ZoneTable(compiled()).digest
    opened, modules = answer["opened"], answer["modules"]
    assert isinstance(opened, list)
    assert isinstance(modules, list)
    package = str(Path(tzdata.__file__).parent)
    assert [path for path in opened if "zoneinfo" in path and not path.startswith(package)] == []
    assert len([path for path in opened if path.startswith(package)]) > 590
    assert "zoneinfo" not in modules


# --- Footers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "footer",
    [
        "UTC0",
        "<-00>0",
        "<+0545>-5:45",
        "XXX-1:02:03",
        "EST5EDT,M3.2.0,M11.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",  # summer time that is behind: Dublin
        "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3",  # two hours: Troll
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",  # the evening before: Nuuk
        "EET-2EEST,M3.4.4/50,M10.4.4/50",  # two days later: Gaza
        "<-04>4<-03>,M9.1.6/24,M4.1.6/24",  # the end of the day: Santiago
        "XXX3YYY,J60/2,J300/2",  # 1 March and 27 October in every year
        "XXX3YYY5,M2.5.6/-167,M8.4.3/167",
        "XXX3YYY,M2.1.1/1:30,M2.4.1/0:00:01",
    ],
)
def test_a_footer_means_what_python_makes_of_it(footer: str) -> None:
    content = zone_file(footer, transitions=((0, 0),), offsets=(1234,))
    changes = read_zone("Test/Zone", content, UNTIL_UTC)
    python = ZoneInfo.from_file(io.BytesIO(content))
    starts = [start for start, _ in changes]
    assert starts == sorted(set(starts))
    instants = [
        *range(DAY_S, UNTIL_UTC, 5 * DAY_S + 3571),
        *(start + shift for start in starts[2:] for shift in (-1, 0, 1)),
    ]
    for utc in instants:
        if DAY_S <= utc < UNTIL_UTC:
            offset = next(offset for start, offset in reversed(changes) if start <= utc)
            shown = datetime.fromtimestamp(utc, python).replace(tzinfo=UTC)
            assert offset == shown.timestamp() - utc, datetime.fromtimestamp(utc, UTC)


def test_days_counted_from_zero_count_the_leap_day() -> None:
    # Python counts these from one; POSIX and RFC 9636 from zero. No zone uses them today.
    content = zone_file("XXX3YYY,59/2,299/2")
    starts = [format_utc(start) for start, _ in read_zone("Test/Zone", content, UNTIL_UTC) if start > 0]
    assert [text for text in starts if text[:4] in {"2027", "2028"}] == [
        "2027-03-01T05:00:00Z",
        "2027-10-27T04:00:00Z",
        "2028-02-29T05:00:00Z",
        "2028-10-26T04:00:00Z",
    ]


def test_a_rule_may_reach_over_new_year() -> None:
    # Python asks the rule of the year that UTC shows, which is another one here.
    content = zone_file("XXX-3YYY,M1.1.1,M12.5.5/26")
    changes = [(format_utc(start), offset) for start, offset in read_zone("Test/Zone", content, UNTIL_UTC) if start > 0]
    assert [change for change in changes if "2028-12-01" < change[0] < "2029-02-01"] == [
        ("2028-12-29T22:00:00Z", 3 * 3600),
        ("2028-12-31T23:00:00Z", 4 * 3600),
    ]


def test_summer_time_that_never_ends_lasts_all_year() -> None:
    content = zone_file("EST5EDT,0/0,J365/25")  # RFC 9636, 3.3.1
    offsets = {offset for start, offset in read_zone("Test/Zone", content, UNTIL_UTC) if 0 < start < UNTIL_UTC}
    assert offsets == {-4 * 3600}


def test_without_a_footer_the_last_offset_stays() -> None:
    content = zone_file("", transitions=((100, 1), (200, 2)), offsets=(10, 20, 30))
    assert read_zone("Test/Zone", content, UNTIL_UTC)[1:] == [(100, 20), (200, 30)]


def test_before_its_first_transition_a_zone_has_its_first_offset() -> None:
    content = zone_file("XXX-1", transitions=((100, 1),), offsets=(10, 3600))
    assert [offset for _, offset in read_zone("Test/Zone", content, UNTIL_UTC)] == [10, 3600]


# --- Damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "footer",
    [
        "EST",
        "5",
        "EST5EDT",  # no rule: POSIX leaves its meaning open
        "EST5EDT,M3.2.0",
        "EST5EDT,M13.2.0,M11.1.0",
        "EST5EDT,M0.2.0,M11.1.0",
        "EST5EDT,M3.6.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0",
        "EST5EDT,March,M11.1.0",
        "EST5EDT,M3.2.0/x,M11.1.0",
        "EST5EDT,M3.2.0,M11.1.0,",
        "<E!>5",
        ":America/New_York",
        "EST٥",
    ],
)
def test_a_footer_that_is_not_understood_stops_the_compilation(footer: str) -> None:
    with pytest.raises(HostError, match="not understood"):
        read_zone("Test/Zone", zone_file(footer), UNTIL_UTC)


def test_a_file_cut_anywhere_is_refused() -> None:
    content = zone_file("EST5EDT,M3.2.0,M11.1.0", transitions=((100, 1), (200, 0)), offsets=(10, 20))
    read_zone("Test/Zone", content, UNTIL_UTC)
    for length in range(len(content)):
        with pytest.raises(HostError, match="Test/Zone: the tzdata package is damaged"):
            read_zone("Test/Zone", content[:length], UNTIL_UTC)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"not a zone" * 10, "not a compiled zone"),
        (zone_file("UTC0").replace(b"TZif2", b"TZif\0"), "no 64-bit data"),
        (zone_file("UTC0", transitions=((200, 0), (100, 0))), "out of order"),
        (zone_file("UTC0", transitions=((100, 0), (100, 0))), "out of order"),
        (zone_file("UTC0", transitions=((100, 0), (200, 1))), "of no type"),
        (zone_file("UTC0", offsets=()), "no type"),
        (zone_file("UTC0").replace(b"\nUTC0\n", b"UTC0"), "no footer"),
    ],
)
def test_a_damaged_file_is_refused(content: bytes, what: str) -> None:
    with pytest.raises(HostError, match=what):
        read_zone("Test/Zone", content, UNTIL_UTC)


def test_the_old_half_of_a_file_and_its_flags_are_stepped_over() -> None:
    transitions, offsets = ((100, 1), (200, 0)), (10, 20)
    slim = zone_file("XXX-1", transitions=transitions, offsets=offsets)
    start = slim.index(b"TZif", 4)
    counts = (5, 3, 2, 4, 7, 6)  # flags of both kinds, leap seconds, transitions, types, characters
    old = struct.pack(">4sc15x6L", b"TZif", b"2", *counts) + bytes(4 * 5 + 7 * 6 + 6 + 2 * 8 + 3 + 5)
    flagged = slim[start:].replace(struct.pack(">6L", 0, 0, 0, 2, 2, 4), struct.pack(">6L", 2, 1, 0, 2, 2, 4))
    new = flagged.replace(b"XXX\0", b"XXX\0" + bytes(3))
    assert read_zone("Test/Zone", old + new, UNTIL_UTC) == read_zone("Test/Zone", slim, UNTIL_UTC)


def test_leap_seconds_are_refused() -> None:
    content = bytearray(zone_file("UTC0"))
    second_header = content.index(b"TZif", 4)
    content[second_header + 31] = 1  # the low byte of the leap second count
    with pytest.raises(HostError, match="leap seconds"):
        read_zone("right/UTC", bytes(content), UNTIL_UTC)


@pytest.mark.parametrize(
    ("ids", "named"), [("UTC Atlantis/Poseidonis", "zoneinfo/Atlantis/Poseidonis"), (None, "zones")]
)
def test_a_package_with_a_missing_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: str | None, named: str
) -> None:
    (tmp_path / "zoneinfo").mkdir()
    (tmp_path / "zoneinfo" / "UTC").write_bytes(zone_file("UTC0"))
    if ids is not None:
        (tmp_path / "zones").write_text(ids, encoding="ascii")
    monkeypatch.setattr(zone_table, "files", lambda _: tmp_path)
    with pytest.raises(HostError, match=named):
        compile_zone_table()
