"""What does this instance know of one partition it owns? Its claim, its feeds, its lanes.

claiming   the claim is written, not yet read back: nothing is known, nothing is done
running    the live feed reads; posts begin once the first partition record is durable (R8)
releasing  the group takes it back: no new posts, a last checkpoint
lost       the state topic ends before what was committed: hold and alert
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import count

import orjson

from lmshooks.core import catalogue
from lmshooks.core.catalogue import Cadence
from lmshooks.core.commands import AskEnd, Bury, Hold, Read, Start, WriteState
from lmshooks.core.context import KIND_OF, Context, skips
from lmshooks.core.events import Event, LetterReason, Record, parse
from lmshooks.core.facts import (
    Attached,
    Claimed,
    Consumed,
    Detached,
    Expired,
    GivenUp,
    Orphaned,
    Skipped,
    Stalled,
    StateLost,
    Superseded,
)
from lmshooks.core.store import Store
from lmshooks.core.feeds import Parsed, Recent, Stream, WindowFeed
from lmshooks.core.lanes import Lane
from lmshooks.core.positions import Partition, Position, start_of
from lmshooks.core.records import Kind, LaneRecord, PartRecord, WindowRecord, claim_key, parse_key, part_key
from lmshooks.core.subscriptions import Endpoint, Subscription

METADATA = "lmshooks:"
"""What the commit's metadata begins with; the state topic's offset of the last write follows."""
_nonces = count(1)


class State(StrEnum):
    """Where an owned partition stands."""

    CLAIMING = "claiming"
    RUNNING = "running"
    RELEASING = "releasing"
    LOST = "lost"


class Letter:
    """A malformed event whose dead letter is not yet written."""

    __slots__ = ("bury", "out", "retry_at")

    def __init__(self, bury: Bury) -> None:
        self.bury = bury
        self.out = True
        self.retry_at = 0.0


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
        self.claim_due = 0.0
        self.back_off = 1.0
        self.streams_made = count(1)
        self._reset()

    def _reset(self) -> None:
        self.tenure = -1
        self.ready = False
        self.position: Position = (0, 0)
        self.next_target = 0
        self.lanes: dict[tuple[str, Kind], Lane] = {}
        self.exact: dict[Position, list[Lane]] = {}
        self.windows: dict[str, WindowFeed] = {}
        self.sweeps: list[Stream] = []
        self.recent = Recent()
        self.epochs: list[tuple[int, Mapping[str, str]]] = []
        self.durable_epochs = 0
        self.asking_epoch = False
        self.cadences: dict[str, Kind] = {}
        self.stash: list[tuple[Sequence[Record], int]] = []
        self.held = False
        self.letters: dict[Position, Letter] = {}
        self.to_send: dict[Lane, None] = {}
        self.settled = 0
        self.dirty = True
        self.checkpoint_due = 0.0
        self.checkpointed_at = 0.0
        self.look_due = 0.0
        self.hurried = False
        self.clean = False
        self.roster_durable = False
        self.store = Store(self.partition, -1, 0)

    # the claim

    def claim(self, now: float) -> None:
        """R6: write the claim; everything begins when it is read back."""
        self.nonce = f"{self.context.instance}/{next(_nonces)}"
        value = orjson.dumps({"n": self.nonce, "i": self.context.instance})
        self.claim_write = WriteState(self, self.partition, ((claim_key(self.partition), value),))
        self.context.commands.append(self.claim_write)
        self.claim_due = now + self.context.limits.write_timeout
        self.context.wake_at(self.claim_due)

    def claim_seen(self, offset: int, nonce: str, now: float) -> None:
        """A claim on the partition was read: ours begins the tenure, any other ends it."""
        if self.state is State.CLAIMING:
            if nonce == self.nonce:
                self.own(offset, now)
            return
        if self.state is State.LOST or offset == self.tenure:
            return
        self.context.facts.append(Superseded(self.partition, self.tenure))
        if self.state is State.RELEASING:
            self.forget()
            return
        self.forget()
        self._reset()
        self.state = State.CLAIMING
        self.nonce = ""
        self.claim_due = now + self.back_off
        self.back_off = min(30.0, self.back_off * 2)
        self.context.wake_at(self.claim_due)

    def forget(self) -> None:
        """Every lane's life is over; answers that still come change nothing."""
        for lane in self.lanes.values():
            lane.alive = False
            self.context.memory -= lane.queued_bytes
        self.lanes.clear()
        self.to_send.clear()

    def end_life(self, lane: Lane) -> None:
        """The lane's life is over; what it held is let go."""
        lane.alive = False
        self.context.memory -= lane.queued_bytes
        for stream in self.sweeps:
            stream.riders.pop(lane.identity, None)
        self.to_send.pop(lane, None)
        self.store.unknown.add(self.store.lane_key(lane.kind, lane.subscription.id))
        self.dirty = True

    def give_up(self, lane: Lane, why: str) -> None:
        """An operator's act: what the lane is owed is given up, counted and logged."""
        span = max(0, self.feed_of(lane)[0] - lane.head(self.feed_of(lane))[0])
        self.context.facts.append(GivenUp(lane.subscription.id, self.partition, why, lane.queued, span))
        self.lanes.pop(lane.identity, None)
        self.end_life(lane)

    # what lies in the state topic

    def own(self, tenure: int, now: float) -> None:
        """The claim is read back, and with it everything before it: go on where the log says."""
        context = self.context
        self.tenure = tenure
        self.claim_write = None
        expected = int(self.metadata[len(METADATA) :]) if self.metadata.startswith(METADATA) else -1
        if tenure < expected:
            self.state = State.LOST
            context.facts.append(StateLost(self.partition, expected, tenure))
            return
        part, lanes, windows = self._read_state()
        offset = self.given
        if offset is None:
            offset = part.committed if part else self.start
        elif part and offset > part.committed:
            context.facts.append(Skipped(self.partition, part.committed, offset))
        if offset < self.log_start:
            context.facts.append(Expired(None, self.partition, offset, self.log_start))
            offset = self.log_start
        self.position = start_of(offset)
        self.next_target = offset
        self.store.acknowledged = self.given if self.given is not None else -1
        self.state = State.RUNNING
        self.epochs = list(part.epochs) if part else [(0, context.overrides)]
        self.durable_epochs = len(part.epochs) if part else 0
        for name, window in windows.items():
            self.windows[name] = WindowFeed(name, window.done, window.to, window.closed_at)
        self.see_windows(now)
        for (name, kind), record in lanes.items():
            self._restore(name, kind, record, now)
        if part:
            self._compare(part, offset, now)
            for letter in part.letters:
                self._reread_letter(letter)
        context.facts.append(Claimed(self.partition, tenure, offset, len(lanes)))
        context.commands.append(Start(self.partition, offset))
        self.see_epoch(now)

    def _read_state(
        self,
    ) -> tuple[PartRecord | None, dict[tuple[str, Kind], LaneRecord], dict[str, WindowRecord]]:
        self.store = Store(self.partition, self.tenure, 0)
        part = None
        lanes: dict[tuple[str, Kind], LaneRecord] = {}
        windows: dict[str, WindowRecord] = {}
        for raw, accepted in self.context.ledger.live(self.partition):
            key = parse_key(raw)
            value = orjson.loads(accepted.value)
            lane = None
            if key is None:
                continue
            if key.what == "part":
                part = PartRecord.decode(value)
            elif key.what == "lane" and key.kind is not None:
                lane = lanes[key.name, key.kind] = LaneRecord.decode(value)
            elif key.what == "window":
                windows[key.name] = WindowRecord.decode(value)
            self.store.adopt(raw, accepted, lane)
        return part, lanes, windows

    def _restore(self, name: str, kind: Kind, record: LaneRecord, now: float) -> None:
        lane = self.make(name, kind, record.head)
        lane.restore(record)
        if lane.subscription.id not in self.context.configuration.subscriptions and lane.orphan_since is None:
            self.orphan(lane, now)
        elif lane.subscription.id in self.context.configuration.subscriptions:
            lane.orphan_since = None
        self.settle_place(lane)

    def _compare(self, part: PartRecord, committed: int, now: float) -> None:
        """R11: taking over with another configuration than the recorded one is a reload at the committed position."""
        context = self.context
        if part.roster == context.roster_digest:
            return
        old = context.ledger.rosters.get(part.roster, {})
        for name, was in old.items():
            done = self.windows[was.window].done if was.window in self.windows else committed
            now_is = context.roster.get(name)
            if now_is is None:
                for kind, offset in ((Kind.REAL_TIME, committed), (Kind.WINDOWED, done)):
                    if (name, kind) not in self.lanes:
                        self.orphan(self.place(name, kind, start_of(offset)), now)
            elif (name, Kind.WINDOWED) not in self.lanes and was.skips and not now_is.skips:
                self.place(name, Kind.WINDOWED, start_of(max(committed, done)))
            elif (name, Kind.WINDOWED) not in self.lanes and now_is.window != was.window:
                self.place(name, Kind.WINDOWED, start_of(done))
        for name, now_is in context.roster.items():
            if name not in old and (name, Kind.WINDOWED) not in self.lanes:
                self.place(name, Kind.WINDOWED, start_of(max(committed, self.windows[now_is.window].done)))

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
        self.dirty = True
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

    def shed(self, lane: Lane, why: str) -> None:
        """Detach and let the bytes go."""
        self.detach(lane, self.feed_of(lane), why)
        self.context.memory -= lane.shed()

    # the live feed

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

    def records(self, records: Sequence[Record], next_offset: int, log_end: int, now: float) -> None:
        """Records of the live feed: events to the lanes attached to it."""
        self.log_end = max(self.log_end, log_end, next_offset)
        if self.state is not State.RUNNING or next_offset <= self.position[0]:
            return
        if self.waits_for_epoch or len(self.letters) >= self.context.limits.pending_letters:
            self.stash.append((records, next_offset))
            self.hold(True)
            return
        start = self.position[0]
        limit = self.context.limits.event_bytes
        parsed: list[Parsed] = []
        for record in records:
            if record.offset < start:
                continue
            events, bad = parse(record, limit)
            parsed += events
            for index, reason, why in bad:
                self._letter(record, index, reason, why)
        matched = self._hand_out(parsed, now)
        self.position = start_of(next_offset)
        if self.sweeps:
            self.recent.keep(start, parsed, next_offset)
        elif self.recent.count:
            self.recent.clear()
        self.context.facts.append(Consumed(self.partition, len(records), len(parsed), matched))
        self.dirty = True

    def _hand_out(self, parsed: list[Parsed], now: float) -> int:
        match = self.context.index.match
        lanes = self.lanes
        taken = matched = 0
        for event, fields in parsed:
            position = event.position
            if self.exact:
                for lane in self.exact.pop(position, ()):
                    if lane.alive and lane.attached and lane.retake(event, lane.key_of(event, learner(fields))):
                        taken += len(event.raw)
                        self.to_send[lane] = None
            subscriptions = match(event.account, event.name)
            if not subscriptions or self.kind_of(event) is not Kind.REAL_TIME:
                continue
            for subscription in subscriptions:
                if subscription.filter is not None and not subscription.filter(fields):
                    continue
                matched += 1
                found = lanes.get((subscription.id, Kind.REAL_TIME))
                if found is None:
                    if skips(subscription):
                        continue
                    found = self.make(subscription.id, Kind.REAL_TIME, position)
                elif not found.attached or position < found.next or position < found.horizon:
                    continue
                if found.blocked:
                    if skips(subscription):
                        continue
                    self.detach(found, position, "blocked")
                elif found.full:
                    self.detach(found, position, "full")
                else:
                    found.take(event, found.key_of(event, learner(fields)))
                    taken += len(event.raw)
                    self.to_send[found] = None
        self.context.memory += taken
        return matched

    # what the feed waits for

    @property
    def waits_for_epoch(self) -> bool:
        """R9: the live feed does not read past a cadence epoch that is not durable."""
        return self.asking_epoch or len(self.epochs) > self.durable_epochs > 0

    def see_epoch(self, now: float) -> None:
        """A change of cadence begins at the log's end, as an epoch in the partition record."""
        if dict(self.epochs[-1][1]) != self.context.overrides and not self.asking_epoch:
            self.asking_epoch = True
            self.hold(True)
            self.context.commands.append(AskEnd((self.tenure, "epoch", ""), self.partition))

    def epoch_begins(self, offset: int) -> None:
        """The log's end is known: the new cadences hold from there on, once durable."""
        stashed = self.stash[-1][1] if self.stash else 0
        self.asking_epoch = False
        self.epochs.append((max(offset, self.position[0], stashed), self.context.overrides))
        self.cadences.clear()
        self.dirty = True

    def hold(self, held: bool) -> None:
        """Stop, or go on with, the live feed."""
        if held != self.held:
            self.held = held
            self.context.commands.append(Hold(self.partition, held))

    def unstash(self, now: float) -> None:
        """What held the live feed is over: go on with what was set aside."""
        while self.stash and not self.waits_for_epoch and len(self.letters) < self.context.limits.pending_letters:
            records, next_offset = self.stash.pop(0)
            self.records(records, next_offset, self.log_end, now)
        if not self.stash and not self.waits_for_epoch:
            self.hold(False)

    def see_windows(self, now: float) -> None:
        """A window record exists from the feed's first sight of the partition; a new window begins at the live feed."""
        for name in self.context.configuration.windows:
            if name not in self.windows:
                offset = self.position[0]
                self.windows[name] = WindowFeed(name, offset, offset, now)
                self.dirty = True

    # dead letters of malformed events

    def _letter(self, record: Record, index: int, reason: LetterReason, why: str) -> None:
        bury = Bury(
            (self, self.tenure), self.partition, record.offset, index, reason, why, None, None, record.value,
            tuple(record.headers),
        )  # fmt: skip
        self.letters[record.offset, index] = Letter(bury)
        self.context.commands.append(bury)

    def _reread_letter(self, position: Position) -> None:
        """A letter that was not yet written when the last owner ended: its bytes are read again."""
        ticket = (self, self.tenure, position)
        self.letters[position] = Letter(
            Bury((self, self.tenure), self.partition, *position, LetterReason.EXPIRED, "the log no longer holds it",
                 None, None, None, ())
        )  # fmt: skip
        self.context.commands.append(Read(ticket, self.partition, 0, position[0], position[0] + 1))

    def letter_read(self, position: Position, records: Sequence[Record]) -> None:
        """The bytes of a letter that a former owner left, or their absence."""
        for record in records:
            if record.offset == position[0]:
                for index, reason, why in parse(record, self.context.limits.event_bytes)[1]:
                    if index == position[1]:
                        self._letter(record, index, reason, why)
                        return
        if position in self.letters:
            self.context.commands.append(self.letters[position].bury)

    def letter_done(self, bury: Bury, ok: bool, now: float) -> bool:
        """A letter is written, or is tried again. A failure holds that letter, never the feed."""
        letter = self.letters.get((bury.offset, bury.index))
        if letter is None:
            return False
        if not ok:
            letter.out = False
            letter.retry_at = now + 5.0
            self.context.wake_at(letter.retry_at)
            self.context.facts.append(Stalled(self.partition, "letter"))
            return False
        del self.letters[bury.offset, bury.index]
        self.dirty = True
        self.unstash(now)
        return True

    def expire(self, lane: Lane, log_start: int, now: float) -> None:
        """The log no longer holds where the lane stands: what lies before is lost, counted and named."""
        edge = start_of(log_start)
        if lane.next >= edge:
            return
        self.context.facts.append(Expired(lane.subscription.id, self.partition, lane.next[0], log_start))
        lane.next = edge
        lane.missing = {place for place in lane.missing if place >= edge}
        for delivery in list(lane.pending):
            kept = tuple(one for one in delivery.members if one >= edge or one in delivery.events)
            for gone in set(delivery.members) - set(kept):
                lane.needed.pop(gone, None)
            delivery.members = kept
            if not kept:
                lane.settle(delivery, now)
        self.dirty = True

    def part_key(self) -> bytes:
        """The partition record's key."""
        return part_key(self.partition)


def learner(fields: Mapping[str, object]) -> object:
    """`data.userId`, within which `order: learner` keeps order."""
    data = fields.get("data")
    return data.get("userId") if isinstance(data, dict) else None
