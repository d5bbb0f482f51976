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
from lmshooks.core.subscriptions import Order

TOGETHER = 64
"""Records that are parsed before their events are handed out: few, so that what was parsed is still near."""


def take(own: Ownership, records: Sequence[Record], next_offset: int, log_end: int, now: float) -> None:
    """Records of the live feed: events to the lanes attached to it."""
    own.log_end = max(own.log_end, log_end, next_offset)
    if own.state is not State.RUNNING or next_offset <= own.position[0]:
        return
    if own.feed_waits:
        own.stash.append((records, next_offset))
        own.hold(True)
        return
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
    match, remembered = own.context.index.match, own.context.index.remembered
    lanes, to_send, exact = own.lanes, own.to_send, own.exact
    kinds = own.cadences if len(own.epochs) == 1 else {}
    taken = matched = 0
    for event in parsed:
        fields = None
        position, account, _, name, _, raw, _ = event
        if exact:
            for lane in exact.pop(position, ()):
                if lane.alive and lane.attached and lane.retake(event, key_in(lane, event)):
                    taken += len(raw)
                    to_send[lane] = None
        subscriptions = remembered.get((account, name))
        if subscriptions is None:
            subscriptions = match(account, name)
        if not subscriptions or (kinds.get(name) or own.kind_of(event)) is not Kind.REAL_TIME:
            continue
        for subscription in subscriptions:
            if subscription.filter is not None:
                fields = fields or event.fields()
                if not subscription.filter(fields):
                    continue
            matched += 1
            found = lanes.get((subscription.id, Kind.REAL_TIME))
            if found is None:
                if skips(subscription):
                    continue
                found = own.make(subscription.id, Kind.REAL_TIME, position)
            elif not found.attached or position < found.next or position < found.horizon:
                continue
            if found.blocked:
                if skips(subscription):
                    continue
                own.detach(found, position, "blocked")
            elif found.full:
                own.detach(found, position, "full")
            else:
                found.take(event, key_in(found, event) if subscription.order is Order.LEARNER else account)
                taken += len(raw)
                to_send[found] = None
    own.context.memory += taken
    return matched


def unstash(own: Ownership, now: float) -> None:
    """What held the live feed is over: go on with what was set aside."""
    while own.stash and not own.feed_waits:
        records, next_offset = own.stash.pop(0)
        take(own, records, next_offset, own.log_end, now)
    if not own.stash and not own.waits_for_epoch and not own.context.short:
        own.hold(False)


def key_in(lane: Lane, event: Event) -> str:
    """Within what does a lane keep this event's order? Taken apart only where it is the learner."""
    if lane.subscription.order is Order.LEARNER:
        data = event.fields()["data"]
        return lane.key_of(event, data.get("userId"))
    return event.account
