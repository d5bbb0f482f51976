"""What happens to a live record? Its events go to the lanes attached to the feed; the feed waits for none of them."""

from __future__ import annotations

from collections.abc import Sequence

from lmshooks.core import letters
from lmshooks.core.context import skips
from lmshooks.core.events import Event, Record, parse_onto
from lmshooks.core.facts import Consumed
from lmshooks.core.lanes import Lane
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.positions import start_of
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Order, Subscription

TOGETHER = 256
"""Records that are parsed before their events are handed out: few, so that what was parsed is still near."""


def take(own: Ownership, records: Sequence[Record], next_offset: int, log_end: int) -> None:
    """Records of the live feed: events to the lanes attached to it."""
    own.log_end = max(own.log_end, log_end, next_offset)
    if own.state is not State.RUNNING or next_offset <= own.position[0]:
        return
    if own.stash or own.feed_waits:
        own.stash.append((records, next_offset))
        own.hold(True)
    else:
        _go_on(own, records, next_offset)


def _go_on(own: Ownership, records: Sequence[Record], next_offset: int) -> None:
    start = own.position[0]
    limit = own.context.limits.event_bytes
    events = matched = 0
    for at in range(0, len(records), TOGETHER):
        parsed: list[Event] = []
        for record in records[at : at + TOGETHER]:
            if record.offset < start:
                continue
            for index, reason, why in parse_onto(parsed, record, limit):
                letters.add(own, record, index, reason, why)
        events += len(parsed)
        matched += _hand_out(own, parsed)
    own.position = start_of(next_offset)
    if own.sweeps:
        own.recent.keep(start, records, next_offset)
    elif own.recent.count:
        own.recent.clear()
    own.context.facts.append(Consumed(own.partition, len(records), events, matched))
    own.dirty = True


def _hand_out(own: Ownership, parsed: list[Event]) -> int:
    """Each event to the lanes that it concerns; how many deliveries of an event that makes.

    In runs of one account, if it can be: nobody else's order can tell. Not so where a lane stands of all accounts, or
    one that waits for single positions.
    """
    context = own.context
    match, remembered = context.index.match, context.index.remembered
    kinds = own.cadences if len(own.epochs) == 1 else {}
    alone = bool(own.exact) or context.index.of_every_account
    matched = 0
    runs: dict[str, tuple[tuple[Subscription, ...], list[Event]]] = {}
    for event in parsed:
        account, name = event[1], event[3]
        if own.exact:
            _retake(own, event)
        subscriptions = remembered.get((account, name))
        if subscriptions is None:
            subscriptions = match(account, name)
        if not subscriptions or (kinds.get(name) or own.kind_of(event)) is not Kind.REAL_TIME:
            continue
        run = runs.get(account)
        if run is not None and run[0] is subscriptions and not alone:
            run[1].append(event)
            continue
        if run is not None:
            matched += _give(own, *run)
        runs[account] = (subscriptions, [event])
        if alone:
            matched += _give(own, *runs.pop(account))
    return matched + sum([_give(own, *run) for run in runs.values()])


def _retake(own: Ownership, event: Event) -> None:
    for lane in own.exact.pop(event.position, ()):
        if lane.alive and lane.attached and lane.retake(event, key_in(lane, event)):
            own.context.memory += len(event.raw)
            own.to_send[lane] = None


def _give(own: Ownership, subscriptions: tuple[Subscription, ...], events: list[Event]) -> int:
    """Events of one account, in order, to all of these; how many deliveries of an event that makes."""
    first, account, size = events[0].position, events[0].account, sum([len(event.raw) for event in events])
    matched = 0
    singly: list[Subscription] = []
    for subscription in subscriptions:
        lane = own.lanes.get((subscription.id, Kind.REAL_TIME))
        if (
            lane is not None
            and lane.attached
            and not lane.blocked
            and not lane.held
            and first >= lane.next
            and first >= lane.horizon
            and subscription.filter is None
            and subscription.order is not Order.LEARNER
            and lane.take_all(events, size, account)
        ):
            own.to_send[lane] = None
            own.context.memory += size
            matched += len(events)
        else:
            singly.append(subscription)
    filtered = any(one.filter is not None for one in singly)
    for event in events if singly else ():
        fields = event.fields() if filtered else {}
        for subscription in singly:
            if subscription.filter is None or subscription.filter(fields):
                matched += 1
                _offer(own, subscription, event)
    return matched


def _offer(own: Ownership, subscription: Subscription, event: Event) -> None:
    """One event to the lane of one subscription; who has no room is left behind."""
    position = event.position
    lane = own.lanes.get((subscription.id, Kind.REAL_TIME))
    if lane is None:
        if skips(subscription):
            return
        lane = own.make(subscription.id, Kind.REAL_TIME, position)
    elif not lane.attached or position < lane.next or position < lane.horizon or event.account in lane.held:
        return
    if lane.blocked:
        if not skips(subscription):
            own.detach(lane, position, "blocked")
    elif lane.full:
        own.detach(lane, position, "full")
    else:
        lane.take(event, key_in(lane, event))
        own.context.memory += len(event.raw)
        own.to_send[lane] = None


def unstash(own: Ownership) -> None:
    """What held the live feed is over: go on with what was set aside first."""
    if own.stash:
        records, next_offset = own.stash.pop(0)
        if own.state is State.RUNNING and next_offset > own.position[0]:
            _go_on(own, records, next_offset)
    if not own.stash and not own.feed_waits:
        own.hold(False)


def look(own: Ownership, now: float) -> bool:
    """See whether the feed moves; whether the log holds more than it has read."""
    at = own.position[0]
    behind = own.log_end > at
    if not behind:
        own.still = None
    elif own.still is None or own.still[0] != at:
        own.still = (at, now)
    return behind


def key_in(lane: Lane, event: Event) -> str:
    """Within what does a lane keep this event's order? Taken apart only where it is the learner."""
    if lane.subscription.order is Order.LEARNER:
        return f"{event.account}\0{event.fields()['data'].get('userId')}"
    return event.account
