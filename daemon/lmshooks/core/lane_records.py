"""How does a lane get into its record, and out of it?"""

from __future__ import annotations

from lmshooks.core.deliveries import Delivery
from lmshooks.core.held import Held
from lmshooks.core.lanes import Lane
from lmshooks.core.positions import Position
from lmshooks.core.records import LaneRecord, PendingRecord


def record_of(lane: Lane, feed: Position) -> LaneRecord:
    """What must be durable of it (R7), `feed` being its feed's read position."""
    head, begin = lane.head(feed), lane.begin(feed)
    owed = set(lane.missing)
    for queue in lane.waiting.values():
        exact = queue[0].account in lane.held
        for event in queue:
            if event.position >= lane.horizon and not exact:
                break
            owed.add(event.position)
    pending = tuple(PendingRecord(one.id, one.members, one.keys, one.attempts, one.refusals) for one in lane.pending)
    held = tuple(sorted((account, one.next) for account, one in lane.held.items()))
    return LaneRecord(
        head, max(lane.horizon, begin), tuple(sorted(owed)), pending, lane.orphan_since, lane.failing_since,
        None if lane.idle else lane.oldest(), begin if held else None, held,
    )  # fmt: skip


def restore(lane: Lane, record: LaneRecord) -> None:
    """Take the place that a record names; the lane is detached until it is seen to stand at its feed."""
    lane.attached = False
    lane.next = record.head if record.begin is None else record.begin
    lane.horizon = record.horizon
    lane.missing = set(record.owed)
    lane.held = {account: Held(lane, account, position) for account, position in record.held}
    lane.orphan_since = record.orphan_since
    lane.failing_since = record.failing_since
    lane.head_at = record.head_at
    for one in record.pending:
        delivery = Delivery(one.id, one.members, one.keys)
        delivery.attempts = one.attempts
        delivery.refusals = one.refusals
        lane.await_bytes(delivery)
    lane.reorder()
