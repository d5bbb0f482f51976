"""The machine: takes what happened, with `now`; gives what is to be done.

    assigned -> WriteState(claim) -> followed -> Start -> records -> Post -> attempted -> ... WriteState -> followed
    -> Commit -> committed

Nothing here waits, reads a clock or touches the outside; `take` drains what came out, `next_wakeup` says when to call
`wake`. An answer, a write or a record of an earlier tenure changes nothing (law 10).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import orjson

from lmshooks.core import checkpoint, sweeping
from lmshooks.core.commands import AskEnd, Bury, Command, Commit, Entry, Post, Read, WriteState
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.context import Context
from lmshooks.core.deliveries import Delivery
from lmshooks.core.events import LetterReason, Record
from lmshooks.core.facts import (
    Attempted,
    Expired,
    Fact,
    Lettered,
    Released,
    Resumed,
    Stalled,
    Suspended,
)
from lmshooks.core.feeds import Stream
from lmshooks.core.lanes import PROBATION, Lane
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.positions import Partition, start_of
from lmshooks.core.records import suspend_key
from lmshooks.core.reload import reconfigure
from lmshooks.core.picture import picture
from lmshooks.core.retrying import Outcome, Verdict, judge, wait_before
from lmshooks.core.stats import Stats


class Dispatcher:
    """Every decision of the process."""

    def __init__(self, instance: str, configuration: Configuration, limits: Limits, now: float) -> None:
        self.context = Context(instance, configuration, limits)
        self.owned: dict[Partition, Ownership] = {}
        self.posts = 0
        self.failing_posts = 0
        self.starved: deque[Lane] = deque()
        """Lanes that have something to send and found no permit."""
        self.suspending: dict[str, str] = {}
        """Suspensions that are not yet read back."""
        self.suspend_retry = 0.0
        self.short_of_memory = False
        self.now = now

    # partitions come and go

    def assigned(
        self, partition: Partition, committed: int | None, metadata: str, log_start: int, log_end: int, start: int,
        now: float,
    ) -> None:  # fmt: skip
        """The group gives a partition: claim it."""
        old = self.owned.pop(partition, None)
        if old is not None:
            old.forget()
        own = Ownership(self.context, partition, committed, metadata, (log_start, log_end, start))
        self.owned[partition] = own
        own.claim(now)
        self._turn(now)

    def release(self, partition: Partition, now: float) -> None:
        """The group takes it back, or the process stops: no new posts, a last checkpoint once nothing is out."""
        own = self.owned.get(partition)
        if own is not None and own.state is State.RUNNING:
            own.state = State.RELEASING
            own.clean = False
        self._turn(now)

    def hurry(self, partition: Partition, now: float) -> None:
        """Do not wait for the requests in flight: take the last checkpoint now."""
        own = self.owned.get(partition)
        if own is not None:
            own.hurried = True
        self._turn(now)

    def released(self, partition: Partition) -> bool:
        """Whether the last checkpoint is confirmed, or there is nothing to confirm."""
        own = self.owned.get(partition)
        if own is None or own.state in (State.CLAIMING, State.LOST):
            return True
        return own.state is State.RELEASING and own.clean and own.store.acknowledged >= own.position[0]

    def revoked(self, partition: Partition, now: float) -> None:
        """Forget the partition at once."""
        own = self.owned.get(partition)
        if own is not None:
            self.context.facts.append(Released(partition, self.released(partition)))
            own.forget()
            del self.owned[partition]
        self._turn(now)

    # the log

    def records(
        self, partition: Partition, records: Sequence[Record], next_offset: int, log_end: int, now: float
    ) -> None:
        """Live records, in order, up to `next_offset`; `log_end` is the end as far as known."""
        own = self.owned.get(partition)
        if own is not None:
            own.records(records, next_offset, log_end, now)
            self._turn(now)

    def feed_expired(self, partition: Partition, log_start: int, now: float) -> int:
        """The log no longer holds the live feed's position; the offset to go on from."""
        own = self.owned.get(partition)
        if own is None:
            return log_start
        if own.state is State.RUNNING and log_start > own.position[0]:
            self.context.facts.append(Expired(None, partition, own.position[0], log_start))
            own.position = start_of(log_start)
            own.dirty = True
        self._turn(now)
        return max(log_start, own.position[0])

    def swept(self, read: Read, records: Sequence[Record], next_offset: int, now: float) -> None:
        """The answer to a Read."""
        own, stream = self._reader(read)
        if own is not None and isinstance(stream, Stream):
            sweeping.read(own, stream, records, next_offset, now)
        elif own is not None and isinstance(stream, tuple):
            own.letter_read(stream, records)
        self._turn(now)

    def expired(self, read: Read, log_start: int, now: float) -> None:
        """The log no longer holds what was to be read."""
        own, stream = self._reader(read)
        if own is not None and isinstance(stream, Stream):
            sweeping.expired(own, stream, log_start, now)
        elif own is not None and isinstance(stream, tuple):
            own.letter_read(stream, ())
        self._turn(now)

    def read_failed(self, read: Read, now: float) -> None:
        """A Read had no answer; it is asked for again."""
        own, stream = self._reader(read)
        if own is not None:
            self.context.facts.append(Stalled(own.partition, "read"))
            if isinstance(stream, Stream):
                stream.reading = False
                self.context.wake_at(now + 1.0)
            elif stream is not None:
                self.context.commands.append(read)
        self._turn(now)

    def _reader(self, read: Read) -> tuple[Ownership | None, Stream | tuple[int, int] | None]:
        own: Ownership
        own, tenure, stream = read.ticket
        if self.owned.get(read.partition) is own and own.tenure == tenure:
            return own, stream
        return None, None

    # the state topic

    def followed(self, entries: Sequence[Entry], now: float) -> None:
        """Entries of the state topic, in order, from its beginning."""
        ledger = self.context.ledger
        for entry in entries:
            seen = ledger.apply(entry)
            if seen is None:
                continue
            key = seen.key
            if key.what == "suspend":
                self._stop(key.name, now)
            elif key.what == "resume":
                self._resume(key.name, now)
            elif key.partition is not None:
                own = self.owned.get(key.partition)
                if own is None:
                    continue
                if key.what == "claim":
                    own.claim_seen(seen.offset, seen.nonce, now)
                elif own.store.flight is not None and seen.stamp == own.store.flight.stamp:
                    if seen.raw_key == own.store.flight.last_key and own.tenure == own.store.tenure:
                        checkpoint.landed(own, seen.offset, now)
        self._turn(now)

    def write_failed(self, write: WriteState, now: float) -> None:
        """A state write failed, or its fate is unknown."""
        if isinstance(write.ticket, Ownership):
            own = write.ticket
            if own.claim_write is write and own.state is State.CLAIMING:
                self.context.facts.append(Stalled(own.partition, "claim"))
                own.claim_due = now + own.back_off
                own.back_off = min(30.0, own.back_off * 2)
                self.context.wake_at(own.claim_due)
        elif isinstance(write.ticket, tuple):
            owner, tenure = write.ticket
            flight = owner.store.flight
            if owner.tenure == tenure and flight is not None and flight.write is write:
                checkpoint.unknown(owner, now)
        else:
            self.suspend_retry = now + 1.0
            self.context.wake_at(self.suspend_retry)
        self._turn(now)

    def committed(self, commit: Commit, ok: bool, now: float) -> None:
        """The answer to a Commit."""
        own: Ownership = commit.ticket[0]
        tenure = commit.ticket[1]
        if self.owned.get(commit.partition) is own and own.tenure == tenure:
            checkpoint.committed(own, commit, ok, now)
        self._turn(now)

    def ended(self, ask: AskEnd, log_end: int, now: float) -> None:
        """The answer to an AskEnd."""
        own = self.owned.get(ask.partition)
        tenure, what, name = ask.ticket
        if own is not None and own.tenure == tenure and own.state is State.RUNNING:
            own.log_end = max(own.log_end, log_end)
            if what == "epoch" and own.asking_epoch:
                own.epoch_begins(log_end)
            elif what == "window" and name in own.windows:
                sweeping.close(own, own.windows[name], log_end, now)
        self._turn(now)

    def buried(self, bury: Bury, ok: bool, now: float) -> None:
        """The answer to a Bury; an event settles only when its dead letter is acknowledged."""
        own: Ownership = bury.ticket[0]
        tenure = bury.ticket[1]
        if self.owned.get(bury.partition) is own and own.tenure == tenure:
            written = ok
            if len(bury.ticket) == 2:
                written = own.letter_done(bury, ok, now)
            else:
                lane, delivery = bury.ticket[2], bury.ticket[3]
                delivery.out = False
                if not ok or not lane.alive:
                    lane.due[delivery.id] = now + 5.0
                    self.context.wake_at(now + 5.0)
                    self.context.facts.append(Stalled(own.partition, "letter"))
                else:
                    self._settle(own, lane, delivery, now)
            if written:
                self.context.facts.append(
                    Lettered(bury.partition, bury.offset, bury.index, bury.reason, bury.why, bury.subscription_id)
                )
        self._turn(now)

    # attempts

    def attempted(self, post: Post, outcome: Outcome, now: float) -> None:
        """The answer to a Post."""
        own, lane, delivery = post.ticket
        if delivery.failing:
            self.failing_posts -= 1
        else:
            self.posts -= 1
        if lane.alive:
            lane.out -= 1
            delivery.out = False
            verdict = judge(outcome, len(delivery.members), delivery.refusals)
            self._judged(own, lane, delivery, post, outcome, verdict, now)
            own.to_send[lane] = None
            own.dirty = True
            for stream in (*own.sweeps, *(one.stream for one in own.windows.values() if one.stream)):
                if stream.waits_for is lane:
                    sweeping.pump(own, stream, now)
        self._turn(now)

    def _judged(
        self, own: Ownership, lane: Lane, delivery: Delivery, post: Post, outcome: Outcome, verdict: Verdict, now: float
    ) -> None:
        oldest = delivery.events[delivery.members[0]].written_at
        size = delivery.size
        wait: float | None = None
        if verdict is Verdict.DELIVERED:
            lane.failures = 0
            lane.failing_since = None
            lane.held_until = 0.0
            lane.last_status = ""
            self._settle(own, lane, delivery, now)
        elif verdict is Verdict.SPLIT:
            lane.split(delivery)
        elif verdict is Verdict.REJECTED:
            self._bury(own, lane, delivery, outcome, now)
        elif verdict is Verdict.GONE:
            lane.last_status = "410"
            self.suspend(lane.subscription.id, "gone", now)
        else:
            wait = self._failed(own, lane, delivery, outcome, verdict, now)
        self.context.facts.append(
            Attempted(
                post.subscription_id, own.partition, post.delivery_id, post.attempt, verdict, outcome.status,
                outcome.failure, outcome.elapsed, post.events, size, now - oldest, wait, outcome.detail,
                lane.kind.value,
            )
        )  # fmt: skip

    def _settle(self, own: Ownership, lane: Lane, delivery: Delivery, now: float) -> None:
        own.settled += len(delivery.members)
        self.context.memory -= lane.settle(delivery, now)
        own.to_send[lane] = None
        own.dirty = True

    def _failed(
        self, own: Ownership, lane: Lane, delivery: Delivery, outcome: Outcome, verdict: Verdict, now: float
    ) -> float:
        """A failure holds its key; several in a row, or Retry-After, hold the lane."""
        policy = lane.subscription.retry
        lane.failures += 1
        lane.last_status = str(outcome.status) if outcome.status is not None else str(outcome.failure)
        if lane.failing_since is None:
            lane.failing_since = now
        if outcome.status in (400, 413, 415, 422):
            delivery.refusals += 1
        wait = wait_before(delivery.attempts + 1, policy, delivery.id, outcome.retry_after)
        lane.due[delivery.id] = now + wait
        if verdict is Verdict.WAIT or lane.failures >= lane.subscription.max_in_flight:
            lane.held_until = max(lane.held_until, now + wait)
        self.context.wake_at(now + wait)
        if now - lane.failing_since >= policy.horizon:
            self.suspend(lane.subscription.id, "horizon", now)
        elif wait > PROBATION and not lane.out:
            own.shed(lane, "failing")
        return wait

    def _bury(self, own: Ownership, lane: Lane, delivery: Delivery, outcome: Outcome, now: float) -> None:
        (position,) = delivery.members
        event = delivery.events[position]
        delivery.out = True
        why = f"the endpoint answered {outcome.status} three times"
        self.context.commands.append(
            Bury((own, own.tenure, lane, delivery), own.partition, position[0], position[1], LetterReason.REJECTED,
                 why, lane.subscription.id, delivery.id, event.raw, ())
        )  # fmt: skip

    # suspensions and the operator

    def suspend(self, subscription_id: str, reason: str, now: float) -> None:
        """The daemon stops a subscription; what it is owed stays owed."""
        if subscription_id in self.suspending:
            return
        self.suspending[subscription_id] = reason
        self._write_suspension(subscription_id)
        self.context.ledger.suspensions[subscription_id] = reason
        self._stop(subscription_id, now)
        self.suspending[subscription_id] = reason
        self.context.facts.append(Suspended(subscription_id, reason))

    def _write_suspension(self, subscription_id: str) -> None:
        after = self.context.ledger.resumes.get(subscription_id, -1)
        value = orjson.dumps({"why": self.suspending[subscription_id], "after": after})
        entry = (suspend_key(subscription_id), value)
        self.context.commands.append(WriteState(None, None, (entry,)))

    def _stop(self, subscription_id: str, now: float) -> None:
        self.suspending.pop(subscription_id, None)
        if self.context.blocked(subscription_id):
            for own, lane in self._lanes_of(subscription_id):
                if not lane.blocked:
                    lane.blocked = True
                    own.shed(lane, "suspended")

    def _resume(self, subscription_id: str, now: float) -> None:
        self.suspending.pop(subscription_id, None)
        for own, lane in self._lanes_of(subscription_id):
            if lane.blocked and not self.context.blocked(subscription_id):
                lane.blocked = False
                lane.failures = 0
                lane.failing_since = None
                lane.held_until = 0.0
                lane.due.clear()
                own.to_send[lane] = None
        self.context.wake_at(now)
        self.context.facts.append(Resumed(subscription_id))

    def _lanes_of(self, subscription_id: str) -> list[tuple[Ownership, Lane]]:
        return [
            (own, lane)
            for own in self.owned.values()
            for lane in own.lanes.values()
            if lane.subscription.id == subscription_id
        ]

    def configured(self, configuration: Configuration, now: float) -> None:
        """Another configuration: applied at once, without touching lanes that it does not change."""
        if configuration.version != self.context.configuration.version:
            reconfigure(self.context, list(self.owned.values()), configuration, now)
        self._turn(now)

    # time

    def wake(self, now: float) -> None:
        """Something may be due."""
        self._turn(now)

    def _turn(self, now: float) -> None:
        """What is due, in the order that matters: claims, windows, sweeps, posts, checkpoints."""
        self.now = now
        context = self.context
        context.woken(now)
        if self.suspending and now >= self.suspend_retry > 0.0:
            self.suspend_retry = 0.0
            for name in self.suspending:
                self._write_suspension(name)
        for own in self.owned.values():
            if own.state is State.CLAIMING:
                if now >= own.claim_due:
                    own.claim(now)
                continue
            if own.state is State.RUNNING and own.ready:
                sweeping.look_at_windows(own, now)
                self._look_at_lanes(own, now)
            if own.state in (State.RUNNING, State.RELEASING):
                self._send(own, now)
                checkpoint.look(own, now)
        self._mind_memory(now)

    def _look_at_lanes(self, own: Ownership, now: float) -> None:
        if now < own.look_due:
            return
        own.look_due = now + sweeping.BOARDING
        waiting = False
        grace = self.context.configuration.orphan_grace
        for lane in list(own.lanes.values()):
            if lane.orphan_since is not None and now - lane.orphan_since >= grace:
                own.give_up(lane, "removed")
            elif not lane.attached or lane.pending:
                waiting = waiting or not lane.blocked
                if lane.due:
                    own.to_send[lane] = None
        sweeping.board(own, now)
        for window in own.windows.values():
            if window.stream is not None:
                sweeping.closed(own, window, now)
        for letter in own.letters.values():
            if not letter.out and now >= letter.retry_at:
                letter.out = True
                self.context.commands.append(letter.bury)
        if waiting:
            self.context.wake_at(own.look_due)

    def _send(self, own: Ownership, now: float) -> None:
        """Post what may go out, while there are permits."""
        if not own.ready or own.state is not State.RUNNING:
            return
        while self.starved and self.posts < self.context.limits.posts:
            lane = self.starved.popleft()
            if lane.alive:
                self._send_lane(self.owned[lane.partition], lane, now)
        while own.to_send:
            lane, _ = own.to_send.popitem()
            if lane.alive:
                self._send_lane(own, lane, now)

    def _send_lane(self, own: Ownership, lane: Lane, now: float) -> None:
        limits = self.context.limits
        while True:
            failing = lane.failures > 0
            if (self.failing_posts >= limits.failing_posts) if failing else (self.posts >= limits.posts):
                if lane.ready or lane.pending:
                    self.starved.append(lane)
                    self.context.wake_at(now + 0.1)
                return
            delivery = lane.sendable(now)
            if delivery is None:
                return
            delivery.attempts += 1
            delivery.out = True
            delivery.failing = failing
            lane.out += 1
            if failing:
                self.failing_posts += 1
            else:
                self.posts += 1
            self.context.commands.append(
                Post((own, lane, delivery), lane.subscription.id, lane.subscription.endpoint, delivery.id,
                     delivery.attempts, delivery.body(), len(delivery.members))
            )  # fmt: skip

    def _mind_memory(self, now: float) -> None:
        """Short of memory: failing lanes let their bytes go, then the feeds pause until half of it is free."""
        limit = self.context.limits.memory
        if self.context.memory > limit:
            for own in self.owned.values():
                for lane in own.lanes.values():
                    if lane.failures and lane.queued > lane.subscription.max_events:
                        own.shed(lane, "memory")
        if self.context.memory > limit and not self.short_of_memory:
            self.short_of_memory = True
            for own in self.owned.values():
                own.hold(True)
        elif self.short_of_memory and self.context.memory < limit // 2:
            self.short_of_memory = False
            for own in self.owned.values():
                own.unstash(now)

    # outputs

    def take(self) -> tuple[list[Command], list[Fact]]:
        """What is to be done and what became true since the last time."""
        context = self.context
        commands, facts = context.commands, context.facts
        context.commands, context.facts = [], []
        return commands, facts

    def next_wakeup(self) -> float | None:
        """When `wake` is to be called at the latest."""
        return self.context.next_wakeup()

    def stats(self, now: float) -> Stats:
        """How it stands."""
        return picture(self, now)
