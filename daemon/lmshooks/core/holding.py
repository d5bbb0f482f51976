"""When is an account held, when does it ride, and when is it held no more? (decision 29)"""

from __future__ import annotations

from collections import deque

from lmshooks.core.events import Event
from lmshooks.core.facts import AccountCaughtUp, AccountHeld
from lmshooks.core.feeds import Stream
from lmshooks.core.held import Held, Rider, count, fails
from lmshooks.core.lanes import Lane
from lmshooks.core.ownership import Ownership
from lmshooks.core.positions import Position
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Subscription


def reach(own: Ownership, lane: Lane) -> Position:
    """How far the lane has come: from there on it is offered everything, and before, only single positions."""
    if lane.attached:
        place = max(lane.next, own.feed_of(lane))
    else:
        place = lane.next
        for stream in own.sweeps if lane.boarded else ():
            if stream.riders.get(lane.identity) is lane:
                place = max(place, min(stream.position, lane.limit))
    return max(place, lane.horizon)


def hold(own: Ownership, lane: Lane, account: str) -> None:
    """Leave the account's events in the log: none of them waits in memory, and the lane goes on without it."""
    held = lane.held.get(account)
    if held is None:
        held = lane.held[account] = Held(lane, account, reach(own, lane))
        own.context.facts.append(AccountHeld(lane.subscription.id, own.partition, lane.kind, account))
    elif held.boarded:
        own.alight(held)
    lane.ready.pop(account, None)
    queue = lane.waiting.pop(account, deque())
    if queue:
        held.next = queue[0].position
        size = sum([len(event.raw) for event in queue])
        lane.queued -= len(queue)
        lane.queued_bytes -= size
        own.context.memory -= size
    own.dirty = True


def release(own: Ownership, held: Held) -> None:
    """It has come as far as its lane, which takes its events again."""
    lane = held.lane
    own.alight(held)
    del lane.held[held.account]
    own.context.facts.append(AccountCaughtUp(lane.subscription.id, own.partition, lane.kind, held.account))
    own.to_send[lane] = None
    own.dirty = True


def due(own: Ownership, held: Held, now: float) -> bool:
    """Whether it may ride: its delivery was taken, and all that it is owed before is here."""
    lane = held.lane
    if lane.blocked or not lane.durable or lane.held_until > now or lane.missing or own.context.short:
        return False
    if fails(lane, held.account) or not lane.roomy:
        return False
    if count(lane, held.account) * 2 > lane.subscription.max_events:
        return False
    place = reach(own, lane)
    if held.next == place:
        release(own, held)
    return held.next < place


def rider_of(
    own: Ownership, stream: Stream, subscription: Subscription, kind: Kind, event: Event, now: float
) -> Rider | None:
    """Who takes an event of a sweep, where an account may be held: the account, as far as its lane has come; or the
    lane, from there on."""
    held = stream.riders.get((subscription.id, kind, event.account))
    if isinstance(held, Held) and event.position >= held.next:
        place = reach(own, held.lane)
        if event.position < place:
            return held
        if held.next <= place:
            release(own, held)
        else:  # the lane has turned back: it passes the account by until it has come so far once more
            held.next = event.position
            stream.leave(held, now)
    lane = stream.riders.get((subscription.id, kind))
    return None if lane is not None and event.account in lane.lane.held else lane


def arrived(own: Ownership, stream: Stream, held: Held, now: float) -> None:
    """The sweep has offered everything before its place."""
    place = reach(own, held.lane)
    if held.alive and not held.blocked and held.next <= place <= stream.position:
        release(own, held)
        return
    held.next = max(held.next, stream.position)
    if not held.alive or held.blocked or stream.position >= place:
        stream.leave(held, now)
