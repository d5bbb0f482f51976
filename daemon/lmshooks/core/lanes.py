"""What is a subscription owed from a partition, and what of it may go out now?

A lane holds events that are not settled in two places: `waiting`, by key, in order; and `pending`, the deliveries that
were attempted or split. Positions whose bytes are not in memory are `missing` (owed) or `needed` (of a pending
delivery); re-reading the log below the horizon takes exactly these (R7). What is owed to accounts that are `held` lies
in the log. While it is attached, the lane follows its feed; detached, `next` says where its reading goes on.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from operator import attrgetter

from lmshooks.core import held
from lmshooks.core.concurrency import FIRST, Concurrency
from lmshooks.core.deliveries import Delivery, delivery_of
from lmshooks.core.events import Event
from lmshooks.core.held import SEVERAL, Held
from lmshooks.core.positions import Partition, Position, just_past
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Order, Subscription

PROBATION = 30.0
"""Seconds: a lane whose next attempt is further away does not keep its queue in memory."""


class Lane:
    """One lane; every method is told `now` where time matters."""

    def __init__(self, subscription: Subscription, partition: Partition, kind: Kind, position: Position) -> None:
        self.subscription = subscription
        self.partition = partition
        self.kind = kind
        self.attached = True
        self.next = position
        """Detached: where reading goes on. Attached: what lies before it is ignored (the lane may be ahead)."""
        self.horizon = position
        self.waiting: dict[str, deque[Event]] = {}
        self.ready: dict[str, None] = {}
        """Keys with waiting events of which no delivery is pending, in the order they became so."""
        self.queued = 0
        """Unsettled events in memory, those of pending deliveries included."""
        self.queued_bytes = 0
        self.pending: list[Delivery] = []
        self.busy: dict[str, int] = {}
        """Key -> pending deliveries that have events of it."""
        self.mixed = False
        """Whether a pending delivery was formed within another order: they go one by one, and nothing beside them."""
        self.due: dict[str, float] = {}
        """Delivery id -> when its next attempt may be made."""
        self.fresh = False
        """Whether the next probe is of an account of which nothing failed."""
        self.held: dict[str, Held] = {}
        """Accounts whose events are left in the log, as their deliveries fail while others' may go."""
        self.missing: set[Position] = set()
        self.needed: dict[Position, Delivery] = {}
        self.out = 0
        """Deliveries whose attempt is under way."""
        self.concurrency = Concurrency()
        self.held_until = 0.0
        """The whole lane waits: Retry-After, or several failures in a row."""
        self.failures = 0
        """Failed attempts in a row with no success between."""
        self.failing_since: float | None = None
        self.last_status = self.last_verdict = self.last_detail = ""
        self.durable = True
        """R9: a new or moved lane posts nothing before its record is durable."""
        self.alive = True
        """False once the lane's life is over: answers that still come settle nothing."""
        self.orphan_since: float | None = None
        self.blocked = False
        """Suspended, inactive or orphaned: it owes, and sends nothing."""
        self.settled_at = 0.0
        """When it last settled something: whom a sweep waits for."""
        self.boarded: tuple[float, int] | None = None
        """When and at which offset it boarded its sweep."""
        self.limit: Position = position
        """While riding: how far it may be given events."""
        self.pace: float | None = None
        """Log records passed a second while riding; None until known."""
        self.head_at: float | None = None
        """As far as known from its record: when the event at its head was written."""

    @property
    def identity(self) -> tuple[str, Kind]:
        """What the lane is known by within its partition."""
        return (self.subscription.id, self.kind)

    @property
    def lane(self) -> Lane:
        """Itself: of whom else rides a sweep, it is the lane (`Held`)."""
        return self

    @property
    def account(self) -> str:
        """Whose events it takes; of all where it is `*`."""
        return self.subscription.account

    @property
    def idle(self) -> bool:
        """Whether nothing that is known of is owed."""
        return not (self.queued or self.pending or self.missing or self.held)

    @property
    def full(self) -> bool:
        """Whether no further event is taken in; a failing lane holds one delivery's worth."""
        subscription, queued = self.subscription, self.queued
        if self.due:
            queued -= held.stuck(self)
        if queued >= subscription.queue_events or self.queued_bytes >= subscription.queue_bytes:
            return True
        return self.failures > 0 and queued >= subscription.max_events

    @property
    def roomy(self) -> bool:
        """Hysteresis: whether it may board a sweep, or attach."""
        subscription = self.subscription
        cap = min(subscription.queue_events, subscription.max_events) if self.failures else subscription.queue_events
        queued = self.queued - held.stuck(self) if self.due else self.queued
        return queued * 2 <= cap and self.queued_bytes * 2 <= subscription.queue_bytes

    @property
    def down(self) -> bool:
        """Whether all that is pending seems to have failed: the lane waits then, and tries one delivery at a time."""
        enough = min(self.subscription.max_in_flight, max(SEVERAL, len(self.pending)))
        return self.failures >= enough and not held.one_fails(self)

    def head(self, feed: Position) -> Position:
        """The first position that is not settled, `feed` being its feed's read position."""
        first = self.begin(feed)
        return min([first, *(one.next for one in self.held.values())]) if self.held else first

    def begin(self, feed: Position) -> Position:
        """The first position that is not settled, of accounts that are not held: where its reading would begin."""
        known = [queue[0].position for queue in self.waiting.values()]
        known += [delivery.members[0] for delivery in self.pending]
        if self.missing:
            known.append(min(self.missing))
        ahead = max(self.next, feed) if self.attached else self.next
        return min(known, default=ahead)

    def oldest(self) -> float | None:
        """When the oldest unsettled event in memory was written; its record's word where none is."""
        firsts = [queue[0] for queue in self.waiting.values()]
        firsts += [one.events.get(one.members[0]) or min(one.events.values()) for one in self.pending if one.events]
        first = min(firsts, default=None, key=attrgetter("position"))
        if first is None or (self.missing and min(self.missing) < first.position):
            return None if self.idle else self.head_at
        return first.written_at

    # taking in

    def take(self, event: Event, key: str) -> None:
        """Append an event that is wanted; the caller has seen to the room."""
        queue = self.waiting.get(key)
        if queue is None:
            queue = self.waiting[key] = deque()
            if key not in self.busy or self.subscription.order is Order.NONE:
                self.ready[key] = None
        queue.append(event)
        self.queued += 1
        self.queued_bytes += len(event.raw)

    def take_all(self, events: list[Event], size: int, key: str) -> bool:
        """Append events of one key, of `size` bytes in all, if there is room for all of them; whether there was."""
        subscription = self.subscription
        queued, queued_bytes = self.queued + len(events), self.queued_bytes + size
        if self.failures or queued > subscription.queue_events or queued_bytes > subscription.queue_bytes:
            return False
        self.take(events[0], key)
        self.waiting[key].extend(events[1:])
        self.queued, self.queued_bytes = queued, queued_bytes
        return True

    def retake(self, event: Event, key: str) -> bool:
        """Take an event below the horizon if it is one of those still owed or pending; whether it was."""
        position = event.position
        delivery = self.needed.pop(position, None)
        if delivery is not None:
            delivery.events[position] = event
            delivery.account_json = event.account_json
            delivery.size += len(event.raw)
            self.queued += 1
            self.queued_bytes += len(event.raw)
            return True
        if position in self.missing:
            self.missing.discard(position)
            self.take(event, key)
            return True
        return False

    def await_bytes(self, delivery: Delivery) -> None:
        """A delivery is pending of which the log has the bytes."""
        self.pending.append(delivery)
        self._hold(delivery)
        self.needed.update(dict.fromkeys(delivery.members, delivery))

    def _hold(self, delivery: Delivery) -> None:
        """Nothing else of its keys goes while it is pending."""
        for key in delivery.keys:
            self.busy[key] = self.busy.get(key, 0) + 1

    def _free(self, delivery: Delivery) -> None:
        """It is pending no more: what waits behind it may go."""
        for key in delivery.keys:
            left = self.busy.get(key, 0) - 1
            if left > 0:
                self.busy[key] = left
                continue
            self.busy.pop(key, None)
            if key in self.waiting:
                self.ready[key] = None

    def reorder(self) -> None:
        """The order may have changed: see whether what is pending was formed within another one."""
        order = self.subscription.order
        keys = (key for delivery in self.pending for key in delivery.keys)
        self.mixed = order is not Order.NONE and any(("\0" in key) is not (order is Order.LEARNER) for key in keys)

    # sending

    def sendable(self, now: float, most: int) -> Delivery | None:
        """What may be posted now: a pending delivery that is due, or a new one of so many events at most."""
        if self.blocked or not self.durable or not self.alive or self.held_until > now:
            return None
        subscription, concurrency = self.subscription, self.concurrency
        most = min(most, subscription.max_events)
        probing = self.failures > 0 and (self.held_until > 0 or self.down)
        if self.out >= (1 if probing else subscription.max_in_flight):
            concurrency.short = False
            return None
        alone = self.out and concurrency.limit == FIRST and subscription.max_events > 1
        if self.out >= concurrency.limit or (alone and self._full_one_out()):
            concurrency.short = bool(self.ready) or self.out < len(self.pending)
            if not concurrency.impatient(now):
                return None
            most = 1
        if self.mixed and not self.pending:
            self.mixed = False
        if self.out < len(self.pending) or self.mixed:
            if probing and self.fresh and self._another():
                return self._form(most)
            found = self._again(now)
            if found is not None or probing or self.mixed:
                return found
        if self.ready:
            return self._form(most)
        concurrency.short = False
        return None

    def _another(self) -> bool:
        """Whether an account of which nothing failed may be tried beside those that did."""
        several = bool(self.ready) and not self.mixed and held.by_account(self)
        return several and len(self.pending) < self.subscription.max_in_flight

    def _full_one_out(self) -> bool:
        half = self.subscription.max_events >> 1
        return any(one.out and len(one.members) > half for one in self.pending)

    def _again(self, now: float) -> Delivery | None:
        """The first of those that are pending that may be tried again; of all accounts' the one that waits longest."""
        taken: set[str] = set()
        found: Delivery | None = None
        ordered = self.subscription.order is not Order.NONE
        by_account = held.by_account(self)
        for delivery in self.pending[: not self.out] if self.mixed else self.pending:
            free = not (ordered and any(key in taken for key in delivery.keys))
            due = self.due.get(delivery.id, 0.0)
            sooner = found is None or due < self.due.get(found.id, 0.0)
            if free and sooner and not delivery.out and delivery.whole and due <= now:
                found = delivery
                if not by_account:
                    break
            taken.update(delivery.keys)
        return found

    def _form(self, most: int) -> Delivery:
        """What waits for one account and may go, up to so many events and max_bytes."""
        subscription = self.subscription
        keys = [next(iter(self.ready))]
        if subscription.order is Order.LEARNER:
            account = self.waiting[keys[0]][0].account
            keys = [key for key in self.ready if self.waiting[key][0].account == account]
        events: list[Event] = []
        size = 0
        used: list[str] = []
        for key in keys:
            before = len(events)
            size = self._draw(self.waiting[key], events, size, most)
            if len(events) > before:
                used.append(key)
            if len(events) >= most:
                break
        if len(used) > 1:
            events.sort(key=lambda event: event.position)
        ordered = subscription.order is not Order.NONE
        for key in used:
            if not self.waiting[key]:
                del self.waiting[key]
                self.ready.pop(key, None)
            elif ordered:
                self.ready.pop(key, None)
        delivery = delivery_of(subscription.id, self.partition, events, tuple(used))
        self.pending.append(delivery)
        self._hold(delivery)
        self.horizon = max(self.horizon, just_past(events[-1].position))
        return delivery

    def _draw(self, queue: deque[Event], events: list[Event], size: int, most: int) -> int:
        """Move what may go from a queue to `events`, which are of `size` bytes; their size then."""
        most_bytes = self.subscription.max_bytes
        account_json = (events or queue)[0].account_json
        count = 0
        for event in islice(queue, most - len(events)):
            larger = size + len(event.raw)
            if (larger > most_bytes and (count or events)) or event.account_json != account_json:
                break
            count += 1
            size = larger
        if count == len(queue):
            events += queue
            queue.clear()
        else:
            events += [queue.popleft() for _ in range(count)]
        return size

    def settle(self, delivery: Delivery, now: float) -> int:
        """The delivery is over: its events are delivered, buried or given up. Returns the bytes set free."""
        self.pending.remove(delivery)
        if self.due:
            self.due.pop(delivery.id, None)
        if self.needed:
            for member in delivery.members:
                self.needed.pop(member, None)
        self.queued -= len(delivery.events)
        self.queued_bytes -= delivery.size
        self.settled_at = now
        self._free(delivery)
        return delivery.size

    def lose(self, delivery: Delivery, kept: tuple[Position, ...], now: float) -> int:
        """The log holds only these members any more; with none the delivery is over. Returns the bytes set free."""
        if not kept:
            return self.settle(delivery, now)
        for gone in set(delivery.members) - set(kept):
            self.needed.pop(gone, None)
        due = self.due.pop(delivery.id, None)
        delivery.cut(kept)
        if due is not None:
            self.due[delivery.id] = due
        return 0

    def split(self, delivery: Delivery) -> None:
        """Halves replace a refused delivery, in order (halves of halves too, until the bad event stands alone)."""
        place = self.pending.index(delivery)
        middle = len(delivery.members) // 2
        halves = []
        for members in (delivery.members[:middle], delivery.members[middle:]):
            events = [delivery.events[member] for member in members]
            halves.append(delivery_of(self.subscription.id, self.partition, events, delivery.keys))
        self.pending[place : place + 1] = halves
        self._hold(delivery)  # two where there was one
        self.due.pop(delivery.id, None)

    def shed(self) -> int:
        """Let the bytes go, keep the positions: what is owed is read again when it is due. Returns the bytes freed.

        Requests under way keep theirs; they end and settle by position.
        """
        self.head_at = self.oldest()
        freed = 0
        first = None
        for queue in self.waiting.values():
            exact = queue[0].account in self.held
            for event in queue:
                freed += len(event.raw)
                self.queued -= 1
                if exact or event.position < self.horizon:
                    self.missing.add(event.position)
                if first is None or event.position < first:
                    first = event.position
        self.waiting.clear()
        self.ready.clear()
        for delivery in self.pending:
            if delivery.out:
                continue
            for event in delivery.events.values():
                self.needed[event.position] = delivery
            if delivery.events:
                self.queued -= len(delivery.events)
                freed += delivery.size
                first = delivery.members[0] if first is None else min(first, delivery.members[0])
                delivery.events.clear()
                delivery.size = 0
        self.queued_bytes -= freed
        lowest = [place for place in (first, min(self.needed, default=None), min(self.missing, default=None)) if place]
        self.next = min([self.next, *lowest])
        return freed
