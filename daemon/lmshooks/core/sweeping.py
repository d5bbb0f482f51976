"""How does a reading pass move? Offers its events to lanes, waits for full ones, reads on, ends at the feed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from lmshooks.core import expiry, holding
from lmshooks.core.commands import AskEnd, Read
from lmshooks.core.context import skips
from lmshooks.core.events import Event, Record, account_of, parse_onto
from lmshooks.core.facts import Expired, WindowDone
from lmshooks.core.feeds import HEADS, TURN_BACK, Stream, Wanted, WindowFeed, pace_class, worth_waiting
from lmshooks.core.held import Held, Rider, others_go
from lmshooks.core.lanes import Lane
from lmshooks.core.live import TOGETHER, key_in
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.positions import just_past, start_of
from lmshooks.core.records import Kind
from lmshooks.core.routing import EVERY_ACCOUNT
from lmshooks.core.subscriptions import Order, Subscription

NOWHERE = 1 << 62
"""An offset that no log reaches."""
NO_LIMIT = (NOWHERE, 0)
BOARDING = 0.2
"""Seconds between looks at which detached lanes are due."""


def board(own: Ownership, now: float) -> None:
    """Give every detached lane that is due a place in a sweep of its pace."""
    due: list[Rider] = []
    for lane in own.lanes.values():
        held = list(lane.held.values())  # who has caught up is held no more
        due += [one for one in held if one.boarded is None and holding.due(own, one, now)]
        if lane.attached or lane.boarded is not None:
            continue
        if not (lane.missing or lane.needed):
            own.settle_place(lane)
        if not lane.attached and _due(own, lane, now):
            due.append(lane)
    due.sort(key=lambda rider: rider.next)
    for each in own.sweeps:
        each.awaited = False
    for rider in due:
        rate = max((sweep.rate for sweep in own.sweeps), default=0.0)
        wanted = pace_class(rider, rate)
        sweep = next((one for one in own.sweeps if one.pace_class == wanted), None)
        if sweep is None:
            sweep = Stream(next(own.streams_made), rider.next, None, wanted)
            sweep.turned_at = now
            own.sweeps.append(sweep)
        elif rider.next < sweep.position:
            if now - sweep.turned_at < TURN_BACK:
                continue
            if sweep.reading:
                sweep.awaited = True
                continue
            sweep.turned_at = now
            sweep.rewind(rider.next)
        sweep.board(rider, NO_LIMIT if isinstance(rider, Held) else own.limit_of(rider), now)
    for sweep in list(own.sweeps):
        pump(own, sweep, now)


def _due(own: Ownership, lane: Lane, now: float) -> bool:
    if lane.blocked or not lane.durable or lane.held_until > now:
        return False
    if not (lane.roomy or lane.needed):  # bytes of a pending delivery are taken in however full it is: all waits for it
        return False
    if lane.due and min(lane.due.values()) > now and (own.context.short or (lane.failures and not others_go(lane))):
        return False
    if lane.missing or lane.needed:
        return True
    return not own.context.short and lane.next < own.limit_of(lane)


def pump(own: Ownership, stream: Stream, now: float) -> None:
    """Go on with a pass as far as it can without waiting."""
    stream.waits_for = None
    if stream.wanted is None:
        stream.look_again()
    chunk = stream.chunk
    while True:
        while chunk:
            event = chunk[0]
            if not _offer(own, stream, event, now):
                stream.position = max(stream.position, event.position)
                _tell_window(own, stream)
                own.context.wake_at(now + 1.0)
                return
            chunk.popleft()
        if _unpack(own, stream):
            continue
        stream.position = max(stream.position, start_of(stream.chunk_end))
        if _arrived(own, stream, now) or stream.reading or stream.awaited:
            return
        recent = own.recent.since(stream.position[0]) if stream.window is None else None
        if recent and recent[1] > stream.position[0]:
            stream.hand(recent[0])
            stream.chunk_end = recent[1]
            continue
        end = own.windows[stream.window].to if stream.window else max(own.log_end, own.position[0])
        if stream.position[0] >= end:
            return
        stream.reading = True
        stream.asked_at = now
        ticket = (own, own.tenure, stream)
        own.context.commands.append(Read(ticket, own.partition, stream.number, stream.position[0], end))
        return


def read(own: Ownership, stream: Stream, records: Sequence[Record], next_offset: int, now: float) -> None:
    """A chunk that was asked for is here."""
    stream.reading = False
    if next_offset > stream.position[0] and not stream.chunk and stream.seen == len(stream.records):
        stream.hand(records)
        taken = max(now - stream.asked_at, 1e-6)
        rate = len(records) / taken
        stream.rate = rate if not stream.rate else 0.8 * stream.rate + 0.2 * rate
        stream.chunk_end = next_offset
        if stream.wanted is not None and stream.wanted.riders != len(stream.riders):
            stream.wanted = None
    pump(own, stream, now)


def _unpack(own: Ownership, stream: Stream) -> bool:
    """Parse the next records that may concern anybody here, a few together; False where none is in hand.

    Most of a partition is other accounts', or was taken by lanes that stand further on: such records are passed over by
    their first bytes.
    """
    records = stream.records
    if stream.seen == len(records):
        return False
    accounts, every, offsets, _, heads = stream.wanted = stream.wanted or _wanted(own, stream)
    limit, begin = own.context.limits.event_bytes, stream.position
    parsed: list[Event] = []
    for record in islice(records, stream.seen, None):
        stream.seen += 1
        offset = record.offset
        if offset < every and offset not in offsets:
            value = record.value or b""
            head = value[: value.find(b",", 0, 200) + 1]
            first = heads.get(head)
            if first is None:
                if len(heads) >= HEADS:
                    heads.clear()
                first = heads[head] = accounts.get(account_of(value), NOWHERE)
            if offset < first:
                continue
        parse_onto(parsed, record, limit)
        if len(parsed) >= TOGETHER:
            break
    stream.chunk.extend(event for event in parsed if event.position >= begin)
    return True


def _wanted(own: Ownership, stream: Stream) -> Wanted:
    accounts: dict[str | None, int] = {None: 0}
    if stream.window is None:
        for rider in stream.riders.values():
            accounts[rider.account] = min(rider.next[0], accounts.get(rider.account, NOWHERE))
    else:
        accounts.update(dict.fromkeys(own.context.window_accounts.get(stream.window, ()), 0))
    every = accounts.get(EVERY_ACCOUNT, NOWHERE)
    return Wanted(accounts, every, frozenset(offset for offset, _ in stream.exact), len(stream.riders), {})


def expired(own: Ownership, stream: Stream, log_start: int, now: float) -> None:
    """The log no longer holds where the pass stands: go on from its start, and say what is lost."""
    stream.reading = False
    own.log_start = max(own.log_start, log_start)
    for lane in list(own.lanes.values()) if stream.window else [rider.lane for rider in stream.riders.values()]:
        if stream.window is None or (lane.kind is Kind.WINDOWED and not lane.attached):
            expiry.expire(own, lane, log_start, now)
    if stream.window:
        own.context.facts.append(Expired(None, own.partition, stream.position[0], log_start))
    stream.rewind(max(stream.position, start_of(log_start)))
    pump(own, stream, now)


def _offer(own: Ownership, stream: Stream, event: Event, now: float) -> bool:
    """Hand one event to whom it concerns; False where the pass waits for a full lane."""
    position, account, _, name, _, raw, _ = event
    context = own.context
    if stream.exact:
        for lane in stream.exact.pop(position, ()):
            if stream.riders.get(lane.identity) is not lane or not lane.alive:
                continue
            if lane.retake(event, key_in(lane, event)):
                context.memory += len(raw)
                own.to_send[lane] = None
    subscriptions = context.index.remembered.get((account, name))
    if subscriptions is None:
        subscriptions = context.index.match(account, name)
    if not subscriptions:
        return True
    kind = (own.cadences.get(name) if len(own.epochs) == 1 else None) or own.kind_of(event)
    for subscription in subscriptions:
        if stream.window is None:
            found = stream.riders.get((subscription.id, kind))
            if stream.of_accounts or (found is not None and found.lane.held):
                found = holding.rider_of(own, stream, subscription, kind, event, now)
            if found is None or position < found.next or position < found.horizon or position >= found.limit:
                continue
        else:
            found = _windowed(own, stream, subscription, kind, event)
            if found is None:
                continue
        if subscription.filter is not None and not subscription.filter(event.fields()):
            continue
        if found.blocked:
            own.detach(found.lane, position, "blocked")
            continue
        if context.short or found.full:
            if worth_waiting(found, stream, now):
                stream.waits_for = found.lane
                return False
            if stream.window is None:
                found.next = max(found.next, position)
                stream.leave(found, now)
            else:
                own.detach(found.lane, position, "full")
            continue
        found.take(event, key_in(found.lane, event) if subscription.order is Order.LEARNER else account)
        context.memory += len(raw)
        own.to_send[found.lane] = None
        found.next = just_past(position)  # a pass that waits for another lane offers this event once more
    return True


def _windowed(own: Ownership, stream: Stream, subscription: Subscription, kind: Kind, event: Event) -> Lane | None:
    """The lane of the subscription that takes this event from its window's feed, if any."""
    position = event.position
    if kind is not Kind.WINDOWED or subscription.window != stream.window or skips(subscription):
        return None
    lane = own.lanes.get((subscription.id, kind))
    if lane is None:
        return own.make(subscription.id, kind, position)
    if not lane.attached or position < lane.next or position < lane.horizon or event.account in lane.held:
        return None
    return lane


def _tell_window(own: Ownership, stream: Stream) -> None:
    if stream.window:
        window = own.windows[stream.window]
        window.read = max(window.read, min(stream.position, start_of(window.to)))
        own.dirty = True


def _arrived(own: Ownership, stream: Stream, now: float) -> bool:
    """Who has reached its feed attaches; whether the pass is over."""
    if stream.window:
        _tell_window(own, stream)
        window = own.windows[stream.window]
        if window.read < start_of(window.to):
            return False
        window.stream = None
        own.context.facts.append(WindowDone(window.name, own.partition, window.to))
        return True
    for rider in list(stream.riders.values()):
        own.dirty = True
        if isinstance(rider, Held):
            holding.arrived(own, stream, rider, now)
            continue
        rider.next = max(rider.next, min(stream.position, rider.limit))
        if rider.missing or rider.needed:
            expiry.miss(own, rider, now)
        if not rider.alive or rider.blocked:
            stream.leave(rider, now)
        elif rider.next >= min(own.feed_of(rider), rider.limit) and not (rider.missing or rider.needed):
            stream.leave(rider, now)
            own.settle_place(rider)
    if not stream.riders and not stream.reading:
        own.sweeps.remove(stream)
        return True
    return not stream.riders


# windows


def look_at_windows(own: Ownership, now: float) -> None:
    """Close the windows whose time has come; a close that was missed is made up for at once, several count as one."""
    for window in own.windows.values():
        schedule = own.context.configuration.windows.get(window.name)
        if schedule is None or now < window.next_look:
            continue
        if window.asked_at is not None and now - window.asked_at < own.context.limits.write_timeout:
            continue
        last, coming = schedule.last_close(now), schedule.next_close(now)
        if window.closed_at > coming:  # a clock that was ahead closed it; ours counts now
            window.closed_at = last
        if last > window.closed_at and window.closing is None and own.state is State.RUNNING:
            window.asked_at = now
            own.context.commands.append(AskEnd((own.tenure, "window", window.name), own.partition))
            own.context.wake_at(now + own.context.limits.write_timeout)
            continue
        window.next_look = coming
        own.context.wake_at(coming)


def close(own: Ownership, window: WindowFeed, end: int, now: float) -> None:
    """The log's end is known: the window's range is decided, and acts when it is durable (R9)."""
    schedule = own.context.configuration.windows.get(window.name)
    window.asked_at = None
    if schedule is None or window.closing is not None:
        return
    last = schedule.last_close(now)
    if last <= window.closed_at:  # the end was asked for twice, and this close is done
        return
    if end <= window.to:  # nothing came: no reason to write, in an idle partition, at every close
        window.closed_at = last
        window.next_look = 0.0
        own.context.wake_at(now)
        return
    window.closing = (end, last)
    own.dirty = own.urgent = True


def closed(own: Ownership, window: WindowFeed, now: float) -> None:
    """The window's end is durable: its feed reads on."""
    if window.stream is None and window.read < start_of(window.to):
        window.stream = Stream(next(own.streams_made), window.read, window.name)
        window.stream.asked_at = now
    if window.stream is not None and not window.stream.reading:
        pump(own, window.stream, now)
