"""How far may the group's offset go? Commits, and the partition record that mirrors them.

A checkpoint commits what its write has made durable. Between checkpoints `advance` commits what needs no write: as far
as all is settled, or owed by a record that lies in the log already (decision 18).
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

from lmshooks.core.commands import Commit
from lmshooks.core.facts import Checkpointed, Stalled
from lmshooks.core.lanes import Lane
from lmshooks.core.ownership import METADATA, Ownership
from lmshooks.core.records import Kind, PartRecord, window_key

MANY = 1000
"""Lanes, each of which is looked at: with more of them it is done so much more seldom."""


def advance(own: Ownership, now: float) -> None:
    """Commit as far as all is settled, or owed by a record that lies in the log: that costs no write."""
    interval = own.context.limits.commit_interval * (1 + len(own.lanes) // MANY)
    # Counted from the epoch, so that the commits of all partitions go out in one request.
    own.advance_due = max((floor(now / interval) + 1) * interval, now + interval / 2)
    store = own.store
    if not _all_said(own):
        return

    def owed_by_record(lane: Lane) -> bool:
        key = store.lane_key(lane.kind, lane.subscription.id)
        return lane.durable and key in store.recorded and key not in store.unknown

    target = settled_below(own, owed_by_record)
    if target > store.acknowledged:
        commit(own, target, now, now, None)


def _all_said(own: Ownership) -> bool:
    """Whether the log says of the partition itself and of its windows what a commit further on would rest on."""
    store = own.store
    if store.part_differs(part_of(own, own.context.roster_digest, store.acknowledged)):
        return False
    keys = [window_key(own.partition, name) for name in own.windows]
    return not any(key in store.unknown or key not in store.recorded for key in keys)


def settled_below(own: Ownership, apart: Callable[[Lane], bool]) -> int:
    """The offset below which nothing is unsettled in any real-time lane but those that stand `apart`."""
    feed = own.position
    lowest = feed
    for lane in own.lanes.values():
        if lane.kind is Kind.REAL_TIME and not apart(lane):
            lowest = min(lowest, lane.head(feed))
    return lowest[0]


def part_of(own: Ownership, roster: str, target: int) -> PartRecord:
    """The partition record, as it is to be."""
    return PartRecord(roster, target, tuple(_epochs(own)), tuple(sorted(own.letters)))


def _epochs(own: Ownership) -> list[tuple[int, dict[str, str]]]:
    """The cadence epochs that anything still owed can need."""
    if len(own.epochs) > 1:
        lowest = min([own.position, *(lane.head(own.feed_of(lane)) for lane in own.lanes.values())])[0]
        lowest = min([lowest, own.store.acknowledged, *(window.done for window in own.windows.values())])
        while len(own.epochs) > 1 and own.epochs[1][0] <= lowest:
            del own.epochs[0]
            own.durable_epochs = max(1, own.durable_epochs - 1)
    return [(offset, dict(overrides)) for offset, overrides in own.epochs]


def reach(own: Ownership, target: int, begun_at: float, now: float, records: int) -> None:
    """All that the target leaves behind is durable: commit it, if the group does not know it yet."""
    if target > own.store.acknowledged:
        commit(own, target, begun_at, now, records)
    else:
        own.context.facts.append(Checkpointed(own.partition, records, target, now - begun_at))


def commit(own: Ownership, target: int, begun_at: float, now: float, records: int | None) -> None:
    """Order it. `records`: how many the checkpoint wrote; None where it is none (`advance`)."""
    ticket = (own, own.tenure, begun_at, records)
    own.committing = now
    own.ordered(now)
    own.told = max(own.told, target)
    own.context.wake_at(now + own.context.limits.write_timeout)
    own.context.commands.append(Commit(ticket, own.partition, target, f"{METADATA}{own.store.written}"))


def committed(own: Ownership, commit: Commit, ok: bool, now: float) -> None:
    """The group's answer to a commit; a commit that failed is made again by the next checkpoint."""
    own.committing = None
    if not ok:
        own.dirty = True
        own.context.facts.append(Stalled(own.partition, "commit"))
        return
    own.confirmed()
    own.store.acknowledged = max(own.store.acknowledged, commit.offset)
    _, _, begun_at, records = commit.ticket
    if records is not None:
        own.context.facts.append(Checkpointed(own.partition, records, commit.offset, now - begun_at))
