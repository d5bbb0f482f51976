"""What must any entry of the state topic become? A value that counts, or damage that is told; never an exception."""

from __future__ import annotations

from lmshooks.core.commands import Entry
from lmshooks.core.ledger import Ledger
from lmshooks.core.positions import Partition
from lmshooks.core.records import Kind as Cadence
from lmshooks.core.records import (
    LaneRecord,
    PartRecord,
    WindowRecord,
    lane_key,
    parse_key,
    part_key,
    read_record,
    roster_key,
    stamped,
    suspend_key,
    window_key,
)

P = Partition("events", 0)
LANE = LaneRecord((7, 0), (9, 1), ((7, 0), (8, 3)), orphan_since=1.5)
HOLDING = LaneRecord((5, 0), (9, 1), ((7, 0), (8, 3)), begin=(7, 0), held=(("1010", (5, 0)), ("7", (8, 4))))
PART = PartRecord("c0ffee", 7, ((0, {"X": "windowed"}),), ((5, 1),))
WINDOW = WindowRecord(3, 9, 100.0)
SOUND: tuple[tuple[bytes, bytes], ...] = (
    (lane_key(P, Cadence.REAL_TIME, "crm"), stamped(4, 2, LANE.encode())),
    (lane_key(P, Cadence.REAL_TIME, "all"), stamped(4, 2, HOLDING.encode())),
    (part_key(P), stamped(4, 2, PART.encode())),
    (window_key(P, "nightly"), stamped(4, 2, WINDOW.encode())),
    (roster_key("c0ffee"), b'{"crm":["nightly",false]}'),
    (suspend_key("crm"), b'{"after":3,"why":"gone"}'),
)  # fmt: skip


def check(data: bytes) -> Ledger:
    """Read "key, line end, value" over what is sound already, and over nothing."""
    raw_key, _, value = data.partition(b"\n")
    key = parse_key(raw_key)
    known = Ledger()
    for offset, (sound_key, sound) in enumerate(SOUND):
        known.apply(Entry(offset, 1.0, sound_key, sound))
    accepted = dict(known.live(P))
    fresh = Ledger()
    for ledger in (known, fresh):
        seen = ledger.apply(Entry(50, 2.0, raw_key, value))
        assert ledger.end == 51
        if key is None:
            assert seen is None and ledger.unreadable == 1
        if seen is not None and seen.stamp is not None:
            assert ledger.values[seen.key.partition][raw_key].value == value  # type: ignore[index]
        ledger.apply(Entry(51, 3.0, raw_key, None))
        for damage in ledger.damaged.values():
            assert len(damage.why) < 1000
    if key is not None and key.what in ("lane", "part", "window"):
        _readable(raw_key, value)
    untouched = {each: value for each, value in accepted.items() if each != raw_key}
    assert {each: value for each, value in known.live(P) if each in untouched} == untouched
    return known


def _readable(raw_key: bytes, value: bytes) -> None:
    """A record, which is the same when it is written and read again; or a reason in one line."""
    key = parse_key(raw_key)
    assert key is not None
    try:
        record = read_record(key, value)
    except ValueError as error:
        why = str(error)
    else:
        why = "it is one"
        assert read_record(key, stamped(4, 2, record.encode())) == record
    assert why and len(why) < 1000
