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
from lmshooks.core.ownership import METADATA, Ownership, State
from lmshooks.core.records import Kind, PartRecord, window_key

MANY = 1000
"""Lanes, each of which is looked at: with more of them it is done so much more seldom."""
PAUSE = 0.02
"""Seconds between commits, at least, while much is settled."""


def due(own: Ownership) -> float:
    """When may what needs no write be committed? The sooner, the more is settled that would be sent again.

    So many times longer than the pause as it is less than much: what a commit costs, and what it saves, are in balance.
    """
    exposure = own.exposure
    if not exposure.events:
        return own.advance_due
    if exposure.waits:
        return min(own.advance_due, own.advanced_at)
    pause = PAUSE * _share(own)
    wait = pause * max(1.0, own.much / exposure.events)
    # Counted from the epoch, so that the commits of all partitions go out in one request.
    return min(own.advance_due, round((own.advanced_at + wait) / pause) * pause)


def _share(own: Ownership) -> int:
    return 1 + len(own.lanes) // MANY


def advance(own: Ownership, now: float) -> bool:
    """Commit as far as all is settled, or owed by a record that lies in the log: that costs no write.

    Whether there was anything to commit.
    """
    interval = own.context.limits.commit_interval * _share(own)
    own.advanced_at = now
    own.advance_due = max((floor(now / interval) + 1) * interval, now + interval / 2)
    target = settled_below(own, own.store.owes) if _all_said(own) else -1
    if target <= own.store.acknowledged:
        return False
    commit(own, target, now, now, None)
    return True


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
    own.exposure.order(now)
    metadata = f"{METADATA}{own.store.written}"
    if target > own.told:
        own.told, own.told_with = target, metadata
    own.context.wake_at(now + own.context.limits.write_timeout)
    own.context.commands.append(Commit(ticket, own.partition, target, metadata))


def said(own: Ownership, lane: Lane, offset: int) -> bool:
    """Whether the group's offset, or a window's end, says that the lane has settled all up to an offset.

    They say nothing of a lane whose record is in the log: who takes over goes by that.
    """
    if own.store.owes(lane):
        return False
    if lane.kind is Kind.REAL_TIME:
        return offset < own.store.acknowledged
    window = own.windows.get(lane.subscription.window)
    return window is None or offset < window.done


def committed(own: Ownership, commit: Commit, ok: bool, now: float) -> None:
    """The group's answer to a commit; a commit that failed is made again by the next checkpoint."""
    own.committing = None
    if not ok:
        own.dirty = True
        if own.state is State.RELEASING:
            own.clean = False
            own.checkpointed_at = now + own.context.limits.checkpoint_pause
        own.context.facts.append(Stalled(own.partition, "commit"))
        return
    own.store.acknowledged = max(own.store.acknowledged, commit.offset)
    own.exposure.confirm(now, lambda lane, offset, _: said(own, lane, offset))
    _, _, begun_at, records = commit.ticket
    if records is not None:
        own.context.facts.append(Checkpointed(own.partition, records, commit.offset, now - begun_at))
