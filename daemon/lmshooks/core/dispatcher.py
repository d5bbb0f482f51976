"""The machine: takes what happened, with `now`; gives what is to be done.

    assigned -> WriteState(claim) -> followed -> Start -> records -> Post -> attempted -> ... WriteState -> followed
    -> Commit -> committed

Nothing here waits, reads a clock or touches the outside; `take` drains what came out, `next_wakeup` says when to call
`wake`. An answer, a write or a record of an earlier tenure changes nothing (law 10).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from lmshooks.core import checkpoint, commits, expiry, letters, live, sweeping, takeover
from lmshooks.core.commands import AskEnd, Bury, Command, Commit, Entry, Post, Read, WriteState
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.context import Context
from lmshooks.core.events import Record
from lmshooks.core.facts import (
    Fact,
    Lettered,
    Released,
    Stalled,
)
from lmshooks.core.feeds import Stream
from lmshooks.core.ownership import HELD, Ownership, State
from lmshooks.core.picture import picture
from lmshooks.core.positions import Partition
from lmshooks.core.posting import Posting
from lmshooks.core.reload import reconfigure
from lmshooks.core.retrying import Outcome
from lmshooks.core.stats import Stats
from lmshooks.core.suspensions import Suspensions


class Dispatcher:
    """Every decision of the process."""

    def __init__(
        self, instance: str, configuration: Configuration, limits: Limits, now: float, silence: float = inf
    ) -> None:
        """`silence`: seconds without news of the state topic's end (`current`) after which nothing is posted."""
        self.context = Context(instance, configuration, limits)
        self.context.silence = silence
        self.owned: dict[Partition, Ownership] = {}
        self.posting = Posting(self.context)
        self.suspensions = Suspensions(self.context, self.owned)
        self.shed_due = 0.0
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
        elif own is not None and own.state is State.CLAIMING:
            own.claim_no_more()
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
        if own is None or own.state is State.CLAIMING or own.state in HELD:
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
            live.take(own, records, next_offset, log_end)
            self._turn(now)

    def feed_expired(self, partition: Partition, log_start: int, now: float) -> int:
        """The log no longer holds the live feed's position; the offset to go on from."""
        own = self.owned.get(partition)
        if own is None:
            return log_start
        if own.state is State.RUNNING and log_start > own.position[0]:
            expiry.feed_expired(own, log_start, now)
        self._turn(now)
        return max(log_start, own.position[0])

    def swept(self, read: Read, records: Sequence[Record], next_offset: int, now: float) -> None:
        """The answer to a Read."""
        own, stream = self._reader(read)
        if own is not None and isinstance(stream, Stream):
            sweeping.read(own, stream, records, next_offset, now)
        elif own is not None and isinstance(stream, tuple):
            letters.read_again(own, stream, records)
        self._turn(now)

    def expired(self, read: Read, log_start: int, now: float) -> None:
        """The log no longer holds what was to be read."""
        own, stream = self._reader(read)
        if own is not None and isinstance(stream, Stream):
            sweeping.expired(own, stream, log_start, now)
        elif own is not None and isinstance(stream, tuple):
            letters.read_again(own, stream, ())
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
                letters.unread(own, stream, now)
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
                self.suspensions.suspended(key.name)
            elif key.what == "resume":
                self.suspensions.resumed(key.name, now)
            elif key.what == "roster":
                for own in self.owned.values():
                    takeover.roster_seen(own, key.name, now)
            elif key.partition in self.owned:
                takeover.seen(self.owned[key.partition], seen, now)
        self._turn(now)

    def current(self, as_of: float, now: float) -> None:
        """The state topic has been read to its end as it was at `as_of`: any claim on what is ours was seen by then."""
        held = now - self.context.known_at > self.context.silence
        self.context.known_at = max(self.context.known_at, as_of)
        if held:
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
            self.suspensions.unwritten(now)
        self._turn(now)

    def committed(self, commit: Commit, ok: bool, now: float) -> None:
        """The answer to a Commit."""
        own: Ownership = commit.ticket[0]
        tenure = commit.ticket[1]
        if self.owned.get(commit.partition) is own and own.tenure == tenure:
            if own.state is State.CLAIMING:
                own.told_whose(ok, now)
            else:
                commits.committed(own, commit, ok, now)
        self._turn(now)

    def ended(self, ask: AskEnd, log_end: int, now: float) -> None:
        """The answer to an AskEnd."""
        own = self.owned.get(ask.partition)
        tenure, what, name = ask.ticket
        if own is not None and own.tenure == tenure and own.state is State.RUNNING:
            own.log_end = max(own.log_end, log_end)
            if what == "epoch" and own.epoch_asked_at is not None:
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
                written = letters.written(own, bury, ok, now)
            else:
                self.posting.buried(own, bury, ok, now)
            if written:
                self.context.facts.append(
                    Lettered(bury.partition, bury.offset, bury.index, bury.reason, bury.why, bury.subscription_id)
                )
        self._turn(now)

    def attempted(self, post: Post, outcome: Outcome, now: float) -> None:
        """The answer to a Post."""
        self.answered(((post, outcome),), now)

    def answered(self, answers: Sequence[tuple[Post, Outcome]], now: float) -> None:
        """The answers to Posts, in the order in which they came."""
        for post, outcome in answers:
            reason = self.posting.attempted(post, outcome, now)
            if reason is not None:
                self.suspensions.suspend(post.subscription_id, reason)
        self._turn(now)

    # the operator

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
        self.suspensions.look(now)
        for own in self.owned.values():
            if own.state is State.CLAIMING:
                if now >= own.claim_due:
                    if own.contested:
                        own.ask(now)
                    else:
                        own.claim(now)
                continue
            if own.state is State.RUNNING and own.ready:
                sweeping.look_at_windows(own, now)
                self._look_at_lanes(own, now)
            if own.state in (State.RUNNING, State.RELEASING):
                self.posting.send(own, now)
                while own.held and not own.feed_waits:
                    live.unstash(own)
                    self.posting.send(own, now)
                checkpoint.look(own, now)
        self._mind_memory(now)

    def _look_at_lanes(self, own: Ownership, now: float) -> None:
        if now < own.look_due:
            return
        own.look_due = now + sweeping.BOARDING
        waiting = live.look(own, now)
        grace = self.context.configuration.orphan_grace
        for lane in list(own.lanes.values()):
            if lane.orphan_since is not None and now - lane.orphan_since >= grace:
                own.give_up(lane, "removed")
            elif not lane.attached or lane.pending or lane.held:
                waiting = waiting or not lane.blocked
                if lane.due or lane.concurrency.short:
                    own.to_send[lane] = None
        own.see_epoch(now)
        sweeping.board(own, now)
        for window in own.windows.values():
            if window.stream is not None:
                sweeping.closed(own, window, now)
        letters.retry(own, now)
        if waiting:
            self.context.wake_at(own.look_due)

    def _mind_memory(self, now: float) -> None:
        """Short of memory: failing lanes let their bytes go, and nothing new is taken in until half of it is free."""
        context = self.context
        limit = context.limits.memory
        if context.memory > limit and not context.short:
            context.short = True
            for own in self.owned.values():
                own.hold(True)
        if not context.short:
            return
        shed = now >= self.shed_due  # a look at every lane: not at every answer
        if shed:
            self.shed_due = now + sweeping.BOARDING
            context.wake_at(self.shed_due)
        for own in self.owned.values() if shed else ():
            for lane in own.lanes.values():
                if (lane.failures or lane.due) and lane.queued and not lane.out and lane.boarded is None:
                    own.shed(lane, "memory")
        if context.memory < limit // 2:
            context.short = False
            context.wake_at(now)

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
