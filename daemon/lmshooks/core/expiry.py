"""What does the log no longer hold? What is lost is counted, named, and no longer waited for."""

from __future__ import annotations

from lmshooks.core.facts import Expired
from lmshooks.core.lanes import Lane
from lmshooks.core.ownership import Ownership
from lmshooks.core.positions import start_of
from lmshooks.core.records import Kind


def feed_expired(own: Ownership, log_start: int, now: float) -> None:
    """The log no longer holds the live feed's position, nor what lanes wait for it to come by with."""
    own.context.facts.append(Expired(None, own.partition, own.position[0], log_start))
    own.position = start_of(log_start)
    for lane in own.lanes.values():
        if lane.kind is Kind.REAL_TIME and lane.attached:
            expire(own, lane, log_start, now)
    own.exact = {place: lanes for place, lanes in own.exact.items() if place >= own.position}
    own.dirty = True


def expire(own: Ownership, lane: Lane, log_start: int, now: float) -> None:
    """The log no longer holds where the lane stands, or an account of it: what lies before is lost."""
    edge = start_of(log_start)
    gone = [place for place in (*lane.missing, *lane.needed) if place < edge]
    if not lane.attached and lane.next < edge:
        gone.append(lane.next)
    for held in lane.held.values():
        if held.next < edge:
            gone.append(held.next)
            held.next = edge
    if not gone:
        return
    own.context.facts.append(Expired(lane.subscription.id, own.partition, min(gone)[0], log_start))
    lane.next = max(lane.next, edge)
    lane.missing = {place for place in lane.missing if place >= edge}
    for delivery in list(lane.pending):
        kept = tuple(one for one in delivery.members if one >= edge or one in delivery.events)
        lane.lose(delivery, kept, now)
    own.dirty = True


def miss(own: Ownership, lane: Lane, now: float) -> None:
    """Positions that the lane's sweep has gone by without finding them are no longer in the log."""
    gone = [place for place in (*lane.missing, *lane.needed) if place < lane.next]
    if not gone:
        return
    lost = max(gone)
    own.context.facts.append(Expired(lane.subscription.id, own.partition, min(gone)[0], lost[0] + 1))
    lane.missing.difference_update(gone)
    for place in gone:
        delivery = lane.needed.pop(place, None)
        if delivery is not None:
            own.context.memory -= lane.lose(delivery, tuple(one for one in delivery.members if one != place), now)
