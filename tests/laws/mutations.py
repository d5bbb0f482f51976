"""Which rules can be switched off? Each of the design's, by replacing what holds it in the core.

A switch takes pytest's `monkeypatch`, so that the rule is on again after the test.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import orjson
import pytest

from lmshooks.core import checkpoint, commits, holding, reload, sweeping, takeover
from lmshooks.core.commands import Entry, WriteState
from lmshooks.core.context import Context
from lmshooks.core.deliveries import Delivery
from lmshooks.core.feeds import Stream, WindowFeed
from lmshooks.core.held import Rider
from lmshooks.core.lane_records import record_of
from lmshooks.core.lanes import Lane
from lmshooks.core.ledger import Accepted, Ledger
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.positions import Partition, Position, start_of
from lmshooks.core.posting import Posting
from lmshooks.core.records import Kind, LaneRecord, PartRecord, claim_key
from lmshooks.core.retrying import Outcome, Verdict
from lmshooks.core.store import Store
from lmshooks.core.subscriptions import Subscription

Patch = pytest.MonkeyPatch
Switch = Callable[[Patch], None]


# R1, R2: what a checkpoint writes, and when a record goes


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


def no_record_inside_a_record(patch: Patch) -> None:
    patch.setattr(checkpoint, "_inside", lambda mark, feed: False)


def never_drop(patch: Patch) -> None:
    patch.setattr(Store, "may_drop", lambda *_: False)


def keep_the_records_of_what_is_gone(patch: Patch) -> None:
    patch.setattr(checkpoint, "parse_key", lambda key: None)


# R3 to R6: whose values count


def commit_before_it_is_read_back(patch: Patch) -> None:
    begin = checkpoint.begin

    def eager(own: Ownership, now: float, final: bool = False) -> None:
        begin(own, now, final)
        if own.store.flight is not None:
            commits.commit(own, own.store.flight.target, now, now, 0)

    patch.setattr(checkpoint, "begin", eager)


def believe_a_write_that_failed(patch: Patch) -> None:
    patch.setattr(Store, "lost", lambda self, flight: None)


def accept_every_value(patch: Patch) -> None:
    def accept(self: Ledger, partition: Partition, entry: Entry, stamp: tuple[int, int], dropped: bool) -> bool:
        assert entry.value is not None
        values = self.values.setdefault(partition, {})
        values[entry.key] = Accepted(*stamp, entry.value, dropped, entry.timestamp)
        return True

    patch.setattr(Ledger, "accept", accept)


def tenures_by_counting(patch: Patch) -> None:
    def claim(self: Ownership, now: float) -> None:
        self.nonce = str(self.context.ledger.claims.get(self.partition, -1) + 1)
        value = orjson.dumps({"n": self.nonce})
        self.claim_write = WriteState(self, self.partition, ((claim_key(self.partition), value),))
        self.context.commands.append(self.claim_write)
        self.claim_due = now + self.context.limits.write_timeout
        self.context.wake_at(self.claim_due)

    patch.setattr(Ownership, "claim", claim)


def forget_what_is_void(patch: Patch) -> None:
    apply = Ledger.apply

    def forgetful(self: Ledger, entry: Entry) -> object:
        seen = apply(self, entry)
        self.void.clear()
        return seen

    patch.setattr(Ledger, "apply", forgetful)


def acknowledge_any_life(patch: Patch) -> None:
    landed = checkpoint.landed

    def landed_for_all(own: Ownership, offset: int, now: float) -> None:
        assert own.store.flight is not None
        lives = own.store.flight.lives
        landed(own, offset, now)
        for lane in lives:
            successor = own.lanes.get(lane.identity)
            if successor is not None:
                successor.durable = True
                own.to_send[successor] = None

    patch.setattr(checkpoint, "landed", landed_for_all)


def ignore_other_claims(patch: Patch) -> None:
    seen = Ownership.claim_seen

    def claim_seen(self: Ownership, offset: int, nonce: str, now: float) -> bool:
        return self.state is State.CLAIMING and seen(self, offset, nonce, now)

    patch.setattr(Ownership, "claim_seen", claim_seen)


def obey_and_never_claim_again(patch: Patch) -> None:
    seen = Ownership.claim_seen

    def claim_seen(self: Ownership, offset: int, nonce: str, now: float) -> bool:
        before = self.state
        begins = seen(self, offset, nonce, now)
        if before is State.RUNNING and self.state is State.CLAIMING:
            self.claim_due = inf
        return begins

    patch.setattr(Ownership, "claim_seen", claim_seen)


# R7: the lane record


def _recorded(patch: Patch, change: Callable[[LaneRecord], LaneRecord]) -> None:
    patch.setattr(checkpoint, "record_of", lambda lane, feed: change(record_of(lane, feed)))


def record_the_head_and_the_horizon_alone(patch: Patch) -> None:
    _recorded(patch, lambda full: full._replace(owed=(), pending=()))


def record_the_head_alone(patch: Patch) -> None:
    _recorded(patch, lambda full: full._replace(horizon=full.head, owed=(), pending=()))


def record_offsets_without_their_indexes(patch: Patch) -> None:
    def whole(full: LaneRecord) -> LaneRecord:
        head = start_of(full.head[0])
        return full._replace(head=head, horizon=head, owed=(), pending=())

    _recorded(patch, whole)


def forget_what_was_attempted(patch: Patch) -> None:
    def regrouped(full: LaneRecord) -> LaneRecord:
        pending = {member for one in full.pending for member in one.members}
        return full._replace(owed=tuple(sorted({*full.owed, *pending})), pending=())

    _recorded(patch, regrouped)


def route_without_the_horizon(patch: Patch) -> None:
    patch.setattr(Lane, "retake", lambda self, event, key: False)


# held accounts


def record_no_held_accounts(patch: Patch) -> None:
    _recorded(patch, lambda full: full._replace(begin=None, held=()))


def free_an_account_before_the_horizon(patch: Patch) -> None:
    def reach(own: Ownership, lane: Lane) -> Position:
        return max(lane.next, own.feed_of(lane)) if lane.attached else lane.next

    patch.setattr(holding, "reach", reach)


def take_what_is_held(patch: Patch) -> None:
    rider_of = holding.rider_of

    def either(own: Ownership, stream: Stream, one: Subscription, *rest: Any) -> Rider | None:
        return rider_of(own, stream, one, *rest) or stream.riders.get((one.id, rest[0]))

    patch.setattr(holding, "rider_of", either)


# R8: the partition record


def post_before_the_partition_record(patch: Patch) -> None:
    take_over = takeover.take_over

    def ready_at_once(own: Ownership, tenure: int, now: float) -> None:
        take_over(own, tenure, now)
        own.ready = own.state is State.RUNNING

    patch.setattr(takeover, "take_over", ready_at_once)


def forget_the_last_commit(patch: Patch) -> None:
    read = takeover._read_state

    def without_mirror(own: Ownership) -> Any:
        part, *rest = read(own)
        return (part._replace(committed=own.start) if part and own.given is None else part, *rest)

    patch.setattr(takeover, "_read_state", without_mirror)


def forget_pending_letters(patch: Patch) -> None:
    patch.setattr(commits, "PartRecord", lambda *fields: PartRecord(*fields)._replace(letters=()))


# R9: what must be durable before it acts


def post_before_it_is_durable(patch: Patch) -> None:
    place = Ownership.place

    def at_once(self: Ownership, name: str, kind: Kind, position: Position) -> Lane:
        lane = place(self, name, kind, position)
        lane.durable = True
        return lane

    patch.setattr(Ownership, "place", at_once)


def send_before_the_end_is_durable(patch: Patch) -> None:
    close = sweeping.close

    def at_once(own: Ownership, window: WindowFeed, end: int, now: float) -> None:
        close(own, window, end, now)
        if window.closing is not None:
            window.to = window.closing[0]
            sweeping.closed(own, window, now)

    patch.setattr(sweeping, "close", at_once)


def no_window_record_before_its_first_close(patch: Patch) -> None:
    must_write = Store.must_write

    def closed_ones(self: Store, key: bytes, content: bytes, lane: LaneRecord | None, now: float) -> bool:
        if key.startswith(b"window|") and key not in self.recorded:
            value = orjson.loads(content)
            if value["d"] == value["to"]:
                return False
        return must_write(self, key, content, lane, now)

    patch.setattr(Store, "must_write", closed_ones)


def read_past_an_epoch_that_is_not_durable(patch: Patch) -> None:
    patch.setattr(Ownership, "waits_for_epoch", property(lambda self: False))
    patch.setattr(Ownership, "hold", lambda self, held: None)


# R10, R11: reconfiguration


def begin_where_the_new_window_stands(patch: Patch) -> None:
    def place(own: Ownership, subscription: Subscription, kind: Kind) -> Position:
        if kind is Kind.REAL_TIME:
            return own.position
        return own.windows[own.context.configuration.subscriptions[subscription.id].window].read

    patch.setattr(reload, "_place", place)


def cadences_without_epochs(patch: Patch) -> None:
    def see_epoch(self: Ownership, now: float) -> None:
        self.epochs = [(0, self.context.overrides)]
        self.cadences.clear()

    patch.setattr(Ownership, "see_epoch", see_epoch)


def begin_anew_at_once(patch: Patch) -> None:
    end_life = Ownership.end_life

    def at_once(self: Ownership, lane: Lane) -> None:
        end_life(self, lane)
        self.ending.clear()

    patch.setattr(Ownership, "end_life", at_once)


def no_reload_at_take_over(patch: Patch) -> None:
    patch.setattr(takeover, "_compare", lambda own, part, committed, now: None)


def no_orphans_on_a_partition_that_is_new(patch: Patch) -> None:
    patch.setattr(takeover, "_remember", lambda own, committed, now: None)


def name_a_roster_before_its_orphans_are_written(patch: Patch) -> None:
    patch.setattr(checkpoint, "_roster", lambda own, unsaid: (own.context.roster_digest, own.context.roster_bytes))


# bugs that no rule of the design names


def a_failure_holds_its_partition(patch: Patch) -> None:
    failed = Posting._failed

    def hold_all(
        self: Posting, own: Ownership, lane: Lane, delivery: Delivery, outcome: Outcome, verdict: Verdict, now: float
    ) -> float:
        wait = failed(self, own, lane, delivery, outcome, verdict, now)
        for other in own.lanes.values():
            other.held_until = max(other.held_until, now + wait)
        return wait

    patch.setattr(Posting, "_failed", hold_all)


def take_in_without_end(patch: Patch) -> None:
    patch.setattr(Lane, "full", property(lambda self: False))


def two_of_a_key(patch: Patch) -> None:
    patch.setattr(Lane, "_hold", lambda self, delivery: None)


def forget_the_order_before(patch: Patch) -> None:
    patch.setattr(Lane, "reorder", lambda self: None)


def never_short_of_memory(patch: Patch) -> None:
    patch.setattr(Context, "short", property(lambda self: False, lambda self, short: None), raising=False)


def commit_what_is_not_settled(patch: Patch) -> None:
    patch.setattr(commits, "settled_below", lambda own, apart: own.position[0])


def commit_past_what_is_not_said(patch: Patch) -> None:
    patch.setattr(commits, "_all_said", lambda own: True)


def forget_what_the_group_was_told(patch: Patch) -> None:
    commit = commits.commit

    def forgotten(own: Ownership, target: int, begun_at: float, now: float, records: int | None) -> None:
        commit(own, target, begun_at, now, records)
        own.told = -1

    patch.setattr(commits, "commit", forgotten)


def begin_beside_a_commit(patch: Patch) -> None:
    commit = commits.commit

    def forgotten(own: Ownership, target: int, begun_at: float, now: float, records: int | None) -> None:
        commit(own, target, begun_at, now, records)
        own.committing = None

    patch.setattr(commits, "commit", forgotten)
