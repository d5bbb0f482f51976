"""Would the plays see it? Each rule of the design is switched off once, and some play must break a law.

A rule is off when the method that holds it is replaced; the seeds are tried in order until one fails. Random plays do
not see, and nothing here proves, that the live feed waits for a cadence epoch to be durable (R9), nor the repair of
keys whose last value is void (R5), which needs a compaction between two take-overs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lmshooks.core import checkpoint, takeover
from lmshooks.core.commands import Entry
from lmshooks.core.lanes import Lane
from lmshooks.core.ledger import Accepted, Ledger
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.positions import Partition, Position, start_of
from lmshooks.core.records import LaneRecord
from lmshooks.core.store import Store
from tests.laws.checker import Violation
from tests.laws.plays import PROFILES, play

SEEDS = 150
RARE = {"R9 a birth is durable before its first post": (("subscriptions", 375, 120), ("latest", 669, 120))}
"""Plays that see what few do: (profile, seed, operations), tried first."""
OPERATIONS = 200

Patch = pytest.MonkeyPatch


def no_record_below_the_target(patch: Patch) -> None:
    def needs_record(lane: Lane, target: Position, feed: Position) -> bool:
        return not lane.attached or not lane.durable or lane.orphan_since is not None or lane.next > feed

    patch.setattr(checkpoint, "needs_record", needs_record)


def target_is_the_smallest_head(patch: Patch) -> None:
    begin = checkpoint.begin

    def smallest(own: Ownership, now: float, final: bool = False) -> None:
        heads = [lane.head(own.feed_of(lane))[0] for lane in own.lanes.values() if lane.attached]
        own.next_target = min([own.next_target, *heads])
        begin(own, now, False)

    patch.setattr(checkpoint, "begin", smallest)


def drop_once_attached(patch: Patch) -> None:
    def may_drop(
        self: Store, lane: Lane | None, recorded: LaneRecord, target: Position, feed: Position, durable: int
    ) -> bool:
        return lane is None or (lane.attached and recorded.head <= start_of(durable))

    def needs_record(lane: Lane, target: Position, feed: Position) -> bool:
        return not lane.attached

    patch.setattr(Store, "may_drop", may_drop)
    patch.setattr(checkpoint, "needs_record", needs_record)


def commit_before_it_is_read_back(patch: Patch) -> None:
    begin = checkpoint.begin

    def eager(own: Ownership, now: float, final: bool = False) -> None:
        begin(own, now, final)
        if own.store.flight is not None:
            checkpoint._commit(own, own.store.flight.target, 0, now, now)

    patch.setattr(checkpoint, "begin", eager)


def believe_a_write_that_failed(patch: Patch) -> None:
    patch.setattr(Store, "lost", lambda self, flight: None)


def accept_every_value(patch: Patch) -> None:
    def accept(self: Ledger, partition: Partition, entry: Entry, stamp: tuple[int, int], dropped: bool) -> None:
        assert entry.value is not None
        values = self.values.setdefault(partition, {})
        values[entry.key] = Accepted(*stamp, entry.value, dropped, entry.timestamp)

    patch.setattr(Ledger, "accept", accept)


def ignore_other_claims(patch: Patch) -> None:
    seen = Ownership.claim_seen

    def claim_seen(self: Ownership, offset: int, nonce: str, now: float) -> None:
        if self.state is State.CLAIMING:
            seen(self, offset, nonce, now)

    patch.setattr(Ownership, "claim_seen", claim_seen)


def record_the_head_alone(patch: Patch) -> None:
    record = Lane.record

    def head_alone(self: Lane, feed: Position) -> LaneRecord:
        return record(self, feed)._replace(owed=(), pending=())

    patch.setattr(Lane, "record", head_alone)


def forget_what_was_attempted(patch: Patch) -> None:
    record = Lane.record

    def regrouped(self: Lane, feed: Position) -> LaneRecord:
        full = record(self, feed)
        pending = {member for one in full.pending for member in one.members}
        return full._replace(owed=tuple(sorted({*full.owed, *pending})), pending=())

    patch.setattr(Lane, "record", regrouped)


def post_before_it_is_durable(patch: Patch) -> None:
    place = Ownership.place

    def at_once(self: Ownership, *arguments: Any) -> Lane:
        lane = place(self, *arguments)
        lane.durable = True
        return lane

    patch.setattr(Ownership, "place", at_once)


def no_reload_at_take_over(patch: Patch) -> None:
    patch.setattr(takeover, "_compare", lambda own, part, committed, now: None)


def take_in_without_end(patch: Patch) -> None:
    patch.setattr(Lane, "full", property(lambda self: False))


def route_without_the_horizon(patch: Patch) -> None:
    patch.setattr(Lane, "retake", lambda self, event, key: False)


def two_of_a_key(patch: Patch) -> None:
    patch.setattr(Lane, "_busy", lambda self, key: False)


RULES: dict[str, tuple[Callable[[Patch], None], tuple[str, ...]]] = {
    "R1 what lies below the target has a record": (no_record_below_the_target, ("base", "two")),
    "R1 the target is no minimum": (target_is_the_smallest_head, ("base", "two")),
    "R2 a record is dropped late": (drop_once_attached, ("base", "two")),
    "R3 durable is read back": (commit_before_it_is_read_back, ("base", "two")),
    "R4 unknown is dirty": (believe_a_write_that_failed, ("base", "zombies", "all")),
    "R5 values of an earlier tenure are void": (accept_every_value, ("zombies", "all")),
    "R6 another claim ends a tenure": (ignore_other_claims, ("zombies", "all")),
    "R7 owed positions are recorded": (record_the_head_alone, ("base", "two")),
    "R7 attempted deliveries are recorded": (forget_what_was_attempted, ("base", "two")),
    "R7 what is owed is taken below the horizon": (route_without_the_horizon, ("base", "two")),
    "R9 a birth is durable before its first post": (post_before_it_is_durable, ("subscriptions", "all")),
    "R11 another configuration is a reload": (no_reload_at_take_over, ("subscriptions", "windows", "all")),
    "law 3 one of a key": (two_of_a_key, ("base",)),
    "law 8 a full lane takes no more": (take_in_without_end, ("base", "two")),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_off_is_seen(rule: str, monkeypatch: Patch) -> None:
    switch, names = RULES[rule]
    switch(monkeypatch)
    profiles = [profile for profile in PROFILES if profile.name in names]
    plays = [
        *RARE.get(rule, ()),
        *((profile.name, seed, OPERATIONS) for seed in range(SEEDS) for profile in profiles),
    ]
    for name, seed, operations in plays:
        try:
            play(name, seed, operations)
        except Violation:
            return
    pytest.fail(f"{SEEDS} seeds of {names} do not see that it is off: {rule}")
