"""What does this instance know of one partition it owns? Its claim, its feeds, its lanes.

claiming   the claim is written, not yet read back: nothing is known, nothing is done
running    the live feed reads; posts begin once the first partition record is durable (R8)
releasing  the group takes it back: no new posts, a last checkpoint
lost       the state topic ends before what was committed: hold and alert
unreadable a state record cannot be read: hold and alert, until it is written again or removed
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import count
from math import inf

import orjson

from lmshooks.core import catalogue, letters
from lmshooks.core.catalogue import Cadence
from lmshooks.core.commands import AskEnd, Commit, Hold, WriteState
from lmshooks.core.context import KIND_OF, Context
from lmshooks.core.events import Event, Record
from lmshooks.core.exposure import Exposure
from lmshooks.core.facts import Attached, Detached, GivenUp, Orphaned, Superseded
from lmshooks.core.feeds import Recent, Stream, WindowFeed
from lmshooks.core.held import Rider
from lmshooks.core.lanes import Lane
from lmshooks.core.positions import Partition, Position, start_of
from lmshooks.core.records import Kind, claim_key
from lmshooks.core.store import Store
from lmshooks.core.subscriptions import Endpoint, Subscription

METADATA = "lmshooks:"
"""What the commit's metadata begins with; the state topic's offset of the last write follows."""
ASKING = 1.0
"""Seconds before the group that did not say that a partition is ours is asked again."""
_nonces = count(1)


class State(StrEnum):
    """Where an owned partition stands."""

    CLAIMING = "claiming"
    RUNNING = "running"
    RELEASING = "releasing"
    LOST = "lost"
    UNREADABLE = "unreadable"


HELD = frozenset((State.LOST, State.UNREADABLE))
"""Owned, but nothing is known and nothing is done."""


class Ownership:
    """One partition in this instance's hands."""

    def __init__(
        self, context: Context, partition: Partition, committed: int | None, metadata: str, bounds: tuple[int, int, int]
    ) -> None:
        """`bounds`: the log's start, its end, and where a group without commit and state begins."""
        self.context = context
        self.partition = partition
        self.state = State.CLAIMING
        self.given = committed
        self.metadata = metadata
        self.log_start, self.log_end, self.start = bounds
        self.nonce = ""
        self.claim_write: WriteState | None = None
        self.claimed_at = 0.0
        """When the claim was last handed out to be written."""
        self.claim_due = 0.0
        self.back_off = 1.0
        self.streams_made = count(1)
        self.held = False
        self.before = -1
        """The tenure that another claim ended."""
        self.told = -1 if committed is None else committed
        """The highest offset that the group held at first, or that a commit was ordered for: it may yet land (R4)."""
        self.told_with = metadata
        self.contested = False
        """Whether another claim ended the last tenure, and the group has not said since whose the partition is."""
        self.unreadable: frozenset[bytes] = frozenset()
        """The keys whose records hold the partition."""
        self._reset()

    def _reset(self) -> None:
        self.tenure = -1
        self.ready = self.hurried = self.clean = False
        self.position: Position = (0, 0)
        self.next_target = 0
        self.lanes: dict[tuple[str, Kind], Lane] = {}
        self.ending: dict[tuple[str, Kind], Lane] = {}
        """Lanes whose life is over and whose last requests are not answered: who follows them waits."""
        self.exact: dict[Position, list[Lane]] = {}
        self.windows: dict[str, WindowFeed] = {}
        self.sweeps: list[Stream] = []
        self.recent = Recent()
        self.epochs: list[tuple[int, Mapping[str, str]]] = []
        self.durable_epochs = 0
        self.epoch_asked_at: float | None = None
        """When the log's end was asked for, for a new cadence epoch."""
        self.cadences: dict[str, Kind] = {}
        self.stash: list[tuple[Sequence[Record], int]] = []
        self.letters: dict[Position, letters.Letter] = {}
        self.to_send: dict[Lane, None] = {}
        self.dirty = True
        self.urgent = False
        """Something waits to be durable before it acts."""
        self.checkpointed_at = 0.0
        self.advance_due = self.advanced_at = 0.0
        """When what needs no write is committed next, and when that was last seen to."""
        self.committing: float | None = None
        """When the commit was ordered that is not answered yet."""
        self.exposure = Exposure(self.context.limits.unconfirmed)
        self.look_due = 0.0
        self.still: tuple[int, float] | None = None
        """While the log holds more: where its live feed was seen last, and since when."""
        self.store = Store(self.partition, -1, 0)

    # the claim

    def claim(self, now: float) -> None:
        """R6: write the claim; everything begins when it is read back."""
        self.nonce = f"{self.context.instance}/{next(_nonces)}"
        value = orjson.dumps({"n": self.nonce, "i": self.context.instance})
        self.claim_write = WriteState(self, self.partition, ((claim_key(self.partition), value),))
        self.context.commands.append(self.claim_write)
        self.claimed_at = now
        self._claim_later(now + self.context.limits.write_timeout)

    def claim_seen(self, offset: int, nonce: str, now: float) -> bool:
        """A claim on the partition was read: ours begins the tenure (true: take over), any other ends it."""
        if self.state is State.CLAIMING:
            return nonce == self.nonce != ""  # between two claims of ours, nobody's is ours
        if self.state in HELD or offset == self.tenure:
            return False
        self.context.facts.append(Superseded(self.partition, self.tenure))
        releasing = self.state is State.RELEASING
        self.forget()
        self.before = self.tenure
        self._reset()
        if self.given is not None:  # what the group said once is old by now: the mirror knows, where there is one
            self.start = self.given
            self.given = None
        self.state = State.CLAIMING
        self.nonce = ""
        if releasing:  # nothing left to do here; above all, a write that lands now is void and must not be committed
            self.claim_no_more()
            return False
        self.contested = self.told >= 0  # with nothing committed there is nothing to ask with
        self._claim_later(now + self.back_off)
        self.back_off = min(30.0, self.back_off * 2)
        return False

    def claim_no_more(self) -> None:
        """The group takes the partition back before it is ours: a claim that lands yet is nobody's."""
        self.nonce, self.claim_due = "", inf

    def ask(self, now: float) -> None:
        """R6: does the group still say that the partition is ours? It takes a commit of nobody else's.

        What it was told last is told again: that moves nothing. One that the group has dropped, and that does not know
        it yet, would else end the new owner's tenure again and again, and each would send what the other had sent.
        """
        self.context.commands.append(Commit((self, self.tenure, now, None), self.partition, self.told, self.told_with))
        self._claim_later(now + self.context.limits.write_timeout)

    def told_whose(self, ours: bool, now: float) -> None:
        """The group's answer: claim at once, or ask again."""
        if self.contested:
            self.contested = not ours
            self._claim_later(now if ours else now + ASKING)

    def _claim_later(self, due: float) -> None:
        self.claim_due = due
        self.context.wake_at(due)

    def forget(self) -> None:
        """Every lane's life is over; answers that still come change nothing."""
        for lane in self.lanes.values():
            lane.alive = False
            self.context.memory -= lane.queued_bytes
        self.lanes.clear()
        self.to_send.clear()
        letters.forget(self)

    def end_life(self, lane: Lane) -> None:
        """The lane's life is over; what it held is let go."""
        lane.alive = False
        if lane.out:
            self.ending[lane.identity] = lane
        self.context.memory -= lane.queued_bytes
        self.alight(lane)
        self.to_send.pop(lane, None)
        self.store.unknown.add(self.store.lane_key(lane.kind, lane.subscription.id))
        self.dirty = True

    def answered_late(self, lane: Lane) -> None:
        """An answer to a lane whose life is over changes nothing, but a new life may begin after the last one."""
        lane.out -= 1
        if not lane.out and self.ending.get(lane.identity) is lane:
            del self.ending[lane.identity]
            self.dirty = self.urgent = True

    def give_up(self, lane: Lane, why: str) -> None:
        """An operator's act: what the lane is owed is given up, counted and logged."""
        span = max(0, self.feed_of(lane)[0] - lane.head(self.feed_of(lane))[0])
        self.context.facts.append(GivenUp(lane.subscription.id, self.partition, why, lane.queued, span))
        self.lanes.pop(lane.identity, None)
        self.end_life(lane)

    # lanes

    def make(self, name: str, kind: Kind, position: Position) -> Lane:
        """A lane object, attached and empty."""
        subscription = self.context.configuration.subscriptions.get(name) or Subscription(
            name, "*", (), Endpoint(""), active=False
        )
        lane = self.lanes[name, kind] = Lane(subscription, self.partition, kind, position)
        lane.blocked = self.context.blocked(name)
        return lane

    def place(self, name: str, kind: Kind, position: Position) -> Lane:
        """R9: a new, re-activated or moved lane: it posts nothing before its record is durable."""
        lane = self.make(name, kind, position)
        lane.durable = False
        lane.attached = False
        self.settle_place(lane)
        self.dirty = self.urgent = True
        return lane

    def orphan(self, lane: Lane, now: float) -> None:
        """Its subscription is in no file: recorded, not sent, forgotten after the grace."""
        lane.orphan_since = now
        lane.blocked = True
        lane.attached = False
        self.dirty = True
        self.context.facts.append(Orphaned(lane.subscription.id, self.partition))
        self.context.wake_at(now + self.context.configuration.orphan_grace)

    def feed_of(self, lane: Lane) -> Position:
        """The read position of the feed the lane belongs to."""
        if lane.kind is Kind.REAL_TIME:
            return self.position
        window = self.windows.get(lane.subscription.window)
        return window.read if window else lane.next

    def limit_of(self, lane: Lane) -> Position:
        """How far a detached lane may be given events: a windowed one to its window's end."""
        if lane.kind is Kind.REAL_TIME:
            return (1 << 62, 0)
        window = self.windows.get(lane.subscription.window)
        return start_of(window.to) if window else lane.next

    def settle_place(self, lane: Lane) -> None:
        """A lane attaches in the same step in which its next position reaches the feed's."""
        if lane.attached or lane.orphan_since is not None or lane.next < self.feed_of(lane) or not lane.roomy:
            return
        if lane.blocked and not lane.idle:
            return
        lane.attached = True
        if not (lane.missing or lane.needed):  # all below the horizon is settled or in hand: never taken from a feed
            lane.next = max(lane.next, lane.horizon)
        if lane.missing or lane.needed:
            if lane.kind is Kind.WINDOWED:
                lane.attached = False
                return
            for position in (*lane.missing, *lane.needed):
                self.exact.setdefault(position, []).append(lane)
        self.context.facts.append(Attached(lane.subscription.id, self.partition, lane.kind))

    def detach(self, lane: Lane, position: Position, why: str) -> None:
        """The lane takes no more; the feed moves on without it, its position is written down."""
        if lane.attached:
            lane.attached = False
            lane.next = max(lane.next, position)
            self.context.facts.append(Detached(lane.subscription.id, self.partition, lane.kind, why))
        self.dirty = True

    def alight(self, rider: Rider) -> None:
        """The lane rides no sweep any more, nor do the accounts of it that are held; or one such account does not."""
        riders: list[Rider] = [rider]
        if isinstance(rider, Lane):
            riders += rider.held.values()
        for one in riders:
            one.boarded = None
            for stream in self.sweeps:
                stream.riders.pop(one.identity, None)

    def shed(self, lane: Lane, why: str) -> None:
        """Detach and let the bytes go."""
        self.detach(lane, self.feed_of(lane), why)
        self.alight(lane)
        self.context.memory -= lane.shed()

    # the feeds

    def kind_of(self, event: Event) -> Kind:
        """Real-time or windowed, by the epoch of the event's offset."""
        if len(self.epochs) == 1 or event.position[0] >= self.epochs[-1][0]:
            kind = self.cadences.get(event.name)
            if kind is None:
                kind = self.cadences[event.name] = self._cadence(event.name, self.epochs[-1][1])
            return kind
        place = bisect_right(self.epochs, event.position[0], key=lambda epoch: epoch[0])
        return self._cadence(event.name, self.epochs[max(0, place - 1)][1])

    @staticmethod
    def _cadence(name: str, overrides: Mapping[str, str]) -> Kind:
        return KIND_OF[catalogue.cadence_of(name, {pattern: Cadence(one) for pattern, one in overrides.items()})]

    # what the feed waits for

    @property
    def waits_for_epoch(self) -> bool:
        """R9: the live feed does not read past a cadence epoch that is not durable."""
        return self.epoch_asked_at is not None or len(self.epochs) > self.durable_epochs > 0

    @property
    def feed_waits(self) -> bool:
        """Whether the live feed takes nothing in: for an epoch, letters, memory, or as nothing may go out."""
        waits = self.context.short or self.waits_for_epoch or self.exposure.full
        return waits or len(self.letters) >= self.context.limits.pending_letters

    def see_epoch(self, now: float) -> None:
        """A change of cadence begins at the log's end, as an epoch in the partition record."""
        if dict(self.epochs[-1][1]) == self.context.overrides:
            self.epoch_asked_at = None  # taken back, it may be, before the log's end was known
            return
        late = self.context.limits.write_timeout
        if self.epoch_asked_at is None or now >= self.epoch_asked_at + late:
            self.epoch_asked_at = now
            self.context.wake_at(now + late)
            self.hold(True)
            self.context.commands.append(AskEnd((self.tenure, "epoch", ""), self.partition))

    def epoch_begins(self, offset: int) -> None:
        """The log's end is known: the new cadences hold from there on, once durable."""
        stashed = self.stash[-1][1] if self.stash else 0
        self.epoch_asked_at = None
        self.epochs.append((max(offset, self.position[0], stashed), self.context.overrides))
        self.cadences.clear()
        self.dirty = self.urgent = True

    @property
    def much(self) -> int:
        """So many settled events are made durable sooner; one a lane is what one event can come to."""
        return max(self.context.limits.checkpoint_events, len(self.lanes))

    def unconfirmed(self, now: float) -> bool:
        """Whether Kafka has confirmed nothing for too long: all that went out now would come again in other hands."""
        return self.exposure.grows(now, self.much)

    def may_post(self, now: float) -> bool:
        """Not while another's claim may have gone unseen (R6: who slept, or was cut off, reads the state topic first);
        nor where Kafka does not confirm what is settled (decisions 19 and 21)."""
        if not self.ready or self.state is not State.RUNNING or now - self.context.known_at > self.context.silence:
            return False
        return not self.unconfirmed(now)

    def hold(self, held: bool) -> None:
        """Stop, or go on with, the live feed."""
        if held != self.held:
            self.held = held
            self.context.commands.append(Hold(self.partition, held))

    def see_windows(self, now: float) -> None:
        """A window record exists from the feed's first sight of the partition; a new window begins at the live feed."""
        for name in self.context.configuration.windows:
            if name not in self.windows:
                offset = self.position[0]
                self.windows[name] = WindowFeed(name, offset, offset, now)
                self.dirty = True
