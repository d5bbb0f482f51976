"""Taking a partition over: what cannot be read holds it and nobody else; a moved offset is told from a late commit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmshooks.core.commands import Entry
from lmshooks.core.facts import Skipped, Unreadable
from lmshooks.core.ownership import METADATA
from lmshooks.core.positions import Partition
from lmshooks.core.records import Key, Kind, lane_key, part_key, read_record, roster_key, window_key
from tests.laws.stage import P, Stage, subscription
from tests.laws.world import Bounds, Instance

OTHER = Partition("events", 1)
LANE = lane_key(P, Kind.REAL_TIME, "s")
TEXT = st.text(max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("tsvhzopxfarceldk"), inner, max_size=8),
    max_leaves=12,
)


def told(stage: Stage, kind: type) -> int:
    return stage.world.checker.counts[kind.__name__]


def stage_with(*entries: tuple[bytes, bytes | None]) -> tuple[Stage, Instance]:
    """Two partitions, one subscription; these entries lie in the state topic before anybody comes."""
    stage = Stage(subscription("s"), bounds=Bounds(partitions=2, instances=2))
    stage.world.checker.allowed = (Unreadable, Skipped)
    stage.world.state.append(entries, stage.world.now)
    return stage, stage.start()


def state_of(instance: Instance, partition: Partition = P) -> str:
    return str(instance.machine.owned[partition].state)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (LANE, b'{"t":0,"s":1}'),
        (LANE, b'{"t":0,"s":1,"h":[0,0],"z":[0,0],"v":2}'),
        (LANE, b'{"t":0,"s":1,"h":[0,0],"z":[3,0],"p":[["id",[0,0],["1"],"once",0]]}'),
        (LANE, b'{"t":0,"s":1,"h":[1,0],"z":[0,0]}'),
        (LANE, b"not JSON"),
        (part_key(P), b'{"t":0,"s":1,"r":"x","c":0,"e":[],"l":[]}'),
        (part_key(P), b'{"t":0,"s":1,"r":"x","c":0,"e":[[0,{"A":"hourly"}]],"l":[]}'),
        (window_key(P, "default"), b'{"t":0,"s":1,"d":5,"to":4,"at":0}'),
        (window_key(P, "default"), b"[]"),
    ],
)
def test_a_record_that_cannot_be_read_holds_its_partition_until_it_is_removed_and_no_other(
    key: bytes, value: bytes
) -> None:
    stage, one = stage_with((key, value))
    stage.own(one)
    stage.own(one, OTHER)
    assert (state_of(one), state_of(one, OTHER)) == ("unreadable", "running")
    assert told(stage, Unreadable) == 1
    stage.world.state.append([(key, None)], stage.world.now)
    stage.follow(one)
    stage.until(lambda: state_of(one) == "running", one)
    stage.produce()
    stage.end()


def test_what_is_said_of_it_names_the_key_the_offset_and_what_to_do() -> None:
    stage, one = stage_with((b"lane|events|7|r|x", b"{}"), (LANE, b'{"t":0,"s":1,"h":7}'))
    stage.world.tracing = True
    stage.own(one)
    (line,) = [line for line in stage.world.log if "Unreadable" in line]
    assert "key='lane|events|0|r|s', offset=1" in line
    assert "where an offset or a count is expected" in line or "int" in line
    assert "tombstone" in line


def test_a_damaged_roster_holds_who_names_it_and_one_that_is_gone_does_not() -> None:
    stage = Stage(subscription("s"))
    stage.world.checker.allowed = (Unreadable,)
    one = stage.begin()
    digest = one.machine.context.roster_digest
    stage.crash(one)
    stage.change(orphan_grace=3600.0, subscriptions={"t": subscription("t")})
    entries = [entry for entry in stage.world.state.entries if entry.key != roster_key(digest)]
    stage.world.state.entries = [*entries, Entry(stage.world.state.end, stage.world.now, roster_key(digest), b"[]")]
    stage.world.state.end += 1
    two = stage.start()
    stage.own(two)
    assert state_of(two) == "unreadable"
    stage.world.state.append([(roster_key(digest), None)], stage.world.now)
    stage.follow(two)
    stage.until(lambda: state_of(two) == "running", two)


def test_a_value_without_a_stamp_over_an_accepted_one_is_written_over_by_the_owner() -> None:
    stage = Stage(subscription("s"))
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.checkpoints(one, 3)
    assert LANE in stage.world.state.live_lanes()
    stage.world.state.append([(LANE, b"rubbish")], stage.world.now)
    stage.follow(one)
    stage.checkpoint(one)
    last = {entry.key: entry.value for entry in stage.world.state.entries}[LANE]
    assert last is not None
    assert read_record(Key("lane"), last)


@pytest.mark.parametrize("tenure", ["its own", "of no claim"])
def test_a_value_from_elsewhere_stamped_above_the_owners_does_not_silence_the_owner(tenure: str) -> None:
    stage = Stage(subscription("s"))
    one = stage.begin()
    number = one.machine.owned[P].tenure if tenure == "its own" else 1 << 40
    value = b'{"t":%d,"s":1000000,"h":[9,0],"z":[9,0]}' % number
    stage.world.state.append([(LANE, value), (part_key(P), b'{"t":%d,"s":1000000}' % number)], stage.world.now)
    stage.follow(one)
    stage.produce()
    stage.end()


def test_a_claim_that_cannot_be_read_is_a_claim() -> None:
    stage = Stage(subscription("s"))
    one = stage.begin()
    for _ in range(2):  # the second comes while no claim of ours is on its way
        stage.world.state.append([(b"claim|events|0", b"\xff")], stage.world.now)
        stage.follow(one)
        assert state_of(one) == "claiming"
    stage.end()


KEYS = [LANE, part_key(P), window_key(P, "default"), roster_key("x"), b"claim|events|0", b"suspend|s", b"resume|s"]


VALUES = JSON.map(lambda one: json.dumps(one).encode()) | st.binary(max_size=8) | st.none()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=6))
def test_nothing_that_lies_in_the_state_topic_breaks_the_machine(entries: list[tuple[bytes, bytes | None]]) -> None:
    stage, one = stage_with(*entries)
    stage.own(one)
    stage.own(one, OTHER)
    stage.produce()
    stage.feed(one)
    assert state_of(one) in ("running", "unreadable")
    assert state_of(one, OTHER) == "running"


def test_an_offset_that_an_operator_moved_is_told_and_a_late_commit_of_ours_is_not() -> None:
    for metadata, times in ((f"{METADATA}0", 0), ("", 1)):
        stage = Stage(subscription("s"))
        one = stage.begin()
        for _ in range(4):
            stage.produce()
        stage.crash(one)
        stage.world.group[P] = (3, metadata)
        if not metadata:
            stage.world.checker.moved(P, 3)
        stage.own(stage.start())
        assert told(stage, Skipped) == times


def test_the_last_checkpoint_of_a_release_takes_as_many_writes_as_it_needs() -> None:
    names = [f"s{number:02}" for number in range(25)]
    stage = Stage(*(subscription(name) for name in names))
    stage.world.limits = stage.world.limits.__class__(checkpoint_records=10)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.world.call(one, "release", P)
    stage.world.call(one, "hurry", P)
    writes = 0
    while one.writes:
        writes += 1
        stage.land(one)
        stage.follow(one)
        stage.commit(one)
    assert writes == 3
    assert one.machine.released(P)
    assert stage.world.group[P][0] == 1
    assert len(stage.world.state.live_lanes()) == len(names)


def test_a_roster_that_no_partition_names_is_removed_after_the_compaction_lag_and_one_in_use_is_written_again() -> None:
    stage = Stage(subscription("s"))
    one = stage.begin()
    first = roster_key(one.machine.context.roster_digest)
    stage.subscribe(one, t=subscription("t"))
    stage.checkpoints(one, 2)
    second = roster_key(one.machine.context.roster_digest)
    assert {first, second} <= {entry.key for entry in stage.world.state.entries if entry.value}
    stage.world.now += stage.world.bounds.lag + 1
    stage.produce()
    stage.feed(one)
    stage.checkpoints(one, 2)
    removed = {entry.key for entry in stage.world.state.entries if entry.value is None}
    assert first in removed
    assert second not in removed
    stage.world.state.append([(second, None)], stage.world.now)  # somebody who did not know yet that it is in use
    stage.follow(one)
    stage.checkpoints(one, 2)
    assert [entry.value for entry in stage.world.state.entries if entry.key == second][-1] is not None


@pytest.mark.parametrize(("seconds", "remembered"), [(20.0, True), (31.0, False)])
def test_a_new_partition_knows_who_is_an_orphan_elsewhere_as_long_as_the_grace_lasts_there(
    seconds: float, remembered: bool
) -> None:
    stay, go = subscription("t"), subscription("s")
    stage = Stage(stay, go, grace=30.0)
    one = stage.begin()
    stage.checkpoints(one, 2)
    stage.subscribe(one, only=(stay,))
    removed = stage.world.now
    stage.checkpoints(one, 1)
    stage.world.now = removed + seconds
    added = stage.world.grow()
    stage.own(one, added)
    lanes = one.machine.owned[added].lanes
    assert [name for name, _ in lanes] == ["s"] * 2 * remembered
    assert all(lane.orphan_since == removed for lane in lanes.values())  # no grace of its own
