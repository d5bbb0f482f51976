"""Do the histories of a run break a law? Judged from them alone: nothing is asked of the daemon.

    log ──> LogIndex ──┐
    state topic ──> StateHistory ──┤
    versions ──> Wants ────────────┼──> every request, in the order of arrival ──> what is left over ──> Judgement
    faults ──> Blame ──────────────┘

Ten million events are judged in some 5 GB: what is kept of an event is a few bytes in arrays, by its number.

Where the histories leave something open (a version that may still have been in effect, a request that the network held
up), the daemon has the benefit of the doubt; so what is counted as wrong is wrong.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.blame import Blame
from tests.chaos.commits import committed_past
from tests.chaos.histories import Histories, Taken, content_of
from tests.chaos.log_index import LogIndex, Wants, owed
from tests.chaos.specs import TIMEOUT, WINDOWS, Version
from tests.chaos.state_history import StateHistory
from tests.chaos.verdicts import Cause, Judgement, Wrong

REFUSED = (400, 413, 415, 422)
TOLD_LATE = 1.0
"""Seconds that an answer may be on its way before it counts as late."""
HEARD = 0.25
"""Seconds in which an answer is heard that nothing disturbs: what was done later is no excuse for its repetition."""
TWO_OWNERS = 10.0
"""Seconds after another's claim in which an instance may not know of it: its session, and a request under way."""
WAKING = 4.0
"""Seconds in which an instance that was stopped may not know what happened meanwhile."""


class Seen(NamedTuple):
    """A request, as far as later ones are compared with it."""

    at: float
    ended: float
    id: str
    sender: str
    status: int
    told: bool


class Subscriber:
    """What is remembered of one subscription."""

    def __init__(self, name: str, wants: Wants, events: int) -> None:
        self.name = name
        self.wants = wants
        self.first = array("d", bytes(8 * events))
        """By event: when it was first taken."""
        self.tried = array("i", b"\xff" * 4 * events)
        """By event: the request that last held it; -1: none yet."""
        self.accepted = array("i", b"\xff" * 4 * events)
        self.order: dict[tuple, tuple[int, int]] = {}
        self.flying: dict[tuple, Seen] = {}
        self.bodies: dict[str, tuple[str, float]] = {}
        """Delivery id -> body, when it was first tried."""
        self.members: dict[int, str] = {}
        """Hash of the events' numbers -> delivery id."""
        self.refused: dict[int, int] = {}
        """By event: how often it was refused alone."""
        self.split: dict[str, float] = {}
        """Delivery id -> when it was last refused, and so split."""
        self.attempts: dict[tuple[str, str], int] = {}
        """(delivery id, sender) -> the highest attempt that has come; left out where it is the first."""
        self._keys: dict[int, tuple[int, ...]] = {}

    def key(self, log: LogIndex, number: int) -> tuple[int, ...]:
        """Within what the order of an event is kept, but for its partition and feed."""
        trait = log.trait(number)
        known = self._keys.get(trait)
        if known is None:
            event = log.event(number)
            known = self._keys[trait] = self.wants.specs[0].key(event.account, event.learner)
        return known


def judge(histories: Histories) -> Judgement:
    """The judgement."""
    return Checker(histories).run()


class Checker:
    """One judgement in the making; what it found of every event stays at hand for the report."""

    def __init__(self, histories: Histories) -> None:
        self.histories = histories
        self.log = LogIndex(histories.logged)
        self.state = StateHistory(histories.recorded)
        self.judgement = Judgement(logged=len(self.log), malformed=len(self.log.malformed))
        self.subscribers = {
            spec.id: Subscriber(spec.id, Wants(spec.id, histories.versioned), len(self.log))
            for spec in Version.of(histories.versioned[0].said).specs
        }
        self.seen: list[Seen] = []
        self.blame = Blame(histories.faulted, {line.claims: line.sender for line in histories.lived})
        self._repeats: Counter[tuple[int, int]] = Counter()
        """(partition, a claim's offset) -> deliveries that were repeated after it, by the daemon's own doing."""
        self._windowed = bytearray(
            self.log.has(number)
            and self.state.windowed(self.log.partition[number], self.log.offset[number], self.log.event(number).name)
            for number in range(len(self.log))
        )

    def run(self) -> Judgement:
        """All checks."""
        for line in self.histories.acknowledged:
            if not self.log.has(line.number):
                self.wrong(Wrong.UNLOGGED, f"event {line.number} at {line.partition}/{line.offset}")
        for number in self.log.twice:
            self.wrong(Wrong.INVENTED, f"event {number} is in the log twice")
        for taken in self.histories.taken:
            self.judgement.requests += 1
            self.request(taken._replace(numbers=tuple(taken.numbers)))
        self.ranges()
        self.rest()
        for what in committed_past(self.log, self.state, self.histories.sampled, self.subscribers.values()):
            self.wrong(Wrong.COMMITTED, what)
        self.judgement.takeovers = sum(len(claims) for claims in self.state.claims.values())
        for partition, claims in self.state.claims.items():
            for before, claim in pairwise(claims):
                count = self._repeats[partition, claim.offset]
                self.judgement.changes.setdefault(self.blame.way(before, claim), []).append(count)
        return self.judgement

    def wrong(self, wrong: Wrong, what: str) -> None:
        self.judgement.convict(wrong, what)

    # one request

    def request(self, taken: Taken) -> None:
        log, sub = self.log, self.subscribers.get(taken.subscription)
        what = f"{taken.subscription} {taken.id} at {taken.at:.3f} from {taken.sender}"
        if sub is None or not taken.numbers or not all(log.has(number) for number in taken.numbers):
            self.wrong(Wrong.INVENTED, f"{what}: {taken.numbers[:5]}")
            return
        if not taken.verified and not self.blame.stepped(taken.sender, taken.at):
            self.wrong(Wrong.UNSIGNED, what)
        if taken.content != content_of(log.digest[number] for number in taken.numbers):
            self.wrong(Wrong.ALTERED, what)
        partition = log.partition[taken.numbers[0]]
        if any(log.partition[number] != partition for number in taken.numbers):
            self.wrong(Wrong.INVENTED, f"{what}: of several partitions")
        kinds = {self.windowed(number) for number in taken.numbers}
        if len(kinds) > 1:
            self.wrong(Wrong.MIXED, f"{what}: {taken.numbers[:5]}")
        self.same(sub, taken, what)
        self.grouping(sub, taken, partition, what)
        self.flight(sub, taken, partition, min(kinds), what)
        self.owner(taken, partition, what)
        ordinal = len(self.seen)
        sender = sys.intern(taken.sender)
        self.seen.append(Seen(taken.at, taken.ended, taken.id, sender, taken.status, taken.told))
        for number in taken.numbers:
            sub.tried[number] = ordinal
        if taken.attempt > sub.attempts.get((taken.id, sender), 1):
            sub.attempts[taken.id, sender] = taken.attempt
        if taken.status in REFUSED:
            sub.split[taken.id] = taken.at
        if taken.status in REFUSED and len(taken.numbers) == 1:
            sub.refused[taken.numbers[0]] = sub.refused.get(taken.numbers[0], 0) + 1
        if 200 <= taken.status < 300:
            self.accept(sub, taken, partition, ordinal)

    def windowed(self, number: int) -> bool:
        """Whether an event is windowed where it lies in the log."""
        return bool(self._windowed[number])

    def same(self, sub: Subscriber, taken: Taken, what: str) -> None:
        """Law 6: an id means the same bytes for ever, and the same events the same id."""
        body, _ = sub.bodies.setdefault(taken.id, (taken.digest, taken.at))
        if body != taken.digest:
            self.wrong(Wrong.BODY, what)
        if sub.members.setdefault(members := hash(taken.numbers), taken.id) != taken.id:
            self.wrong(Wrong.ID, f"{what}: was {sub.members[members]}")

    def grouping(self, sub: Subscriber, taken: Taken, partition: int, what: str) -> None:
        """Law 6: what was tried together is tried together again, unless it was refused, or a crash came soon after."""
        if sub.bodies[taken.id][1] < taken.at:
            return  # this very delivery was tried before
        for number in taken.numbers:
            if sub.tried[number] < 0:
                continue
            before = self.seen[sub.tried[number]]
            if before.id == taken.id or before.status in REFUSED:
                continue
            tried = sub.bodies[before.id][1]
            ended = self.state.claim_after(partition, tried)  # what its tenure had not written down, no later one knows
            if before.sender == taken.sender and not self.state.claimed_between(partition, before.at, taken.at):
                self.wrong(Wrong.REGROUPED, f"{what}: event {number} was in {before.id} at {before.at:.3f}")
            elif ended and tried < ended.since and not 200 <= before.status < 300:
                self.wrong(Wrong.REGROUPED, f"{what}: event {number} was in {before.id} long before the take-over")
            return

    def flight(self, sub: Subscriber, taken: Taken, partition: int, windowed: bool, what: str) -> None:
        """Law 3: one of a key at a time, within a tenure."""
        spec = sub.wants.specs[0]
        now = Seen(taken.at, taken.ended, taken.id, sys.intern(taken.sender), taken.status, taken.told)
        if spec.order == "none":
            return
        for tail in {sub.key(self.log, number) for number in taken.numbers}:
            key = (partition, windowed, *tail)
            before = sub.flying.get(key)
            sub.flying[key] = now
            if before is None or before.sender != taken.sender:
                continue
            if taken.at > min(before.ended, before.at + TIMEOUT) - 0.05:
                continue
            if self.state.claimed_between(partition, before.at - 1.0, taken.at):
                continue
            if self.blame.faulty(before.at - TIMEOUT, taken.at, sub.name):
                continue
            self.wrong(Wrong.OVERLAPPING, f"{what}: {before.id} came at {before.at:.3f}, ended {before.ended:.3f}")

    def owner(self, taken: Taken, partition: int, what: str) -> None:
        """Nobody sends for a partition that another has claimed long ago."""
        claim = self.state.claim_before(partition, taken.at)
        owner = claim and self.blame.claimed_by.get(claim.by)
        if claim is None or owner is None or owner == taken.sender or taken.at < claim.at + TWO_OWNERS:
            return
        if self.blame.woke(taken.sender, taken.at - WAKING, taken.at):
            return
        self.wrong(Wrong.TWO_OWNERS, f"{what}: partition {partition} is {owner}'s since {claim.at:.3f}")

    # what was taken

    def accept(self, sub: Subscriber, taken: Taken, partition: int, ordinal: int) -> None:
        log, ordered, wants = self.log, sub.wants.specs[0].order != "none", sub.wants
        first, accepted = sub.first, sub.accepted
        for number in taken.numbers:
            accepted_before, accepted[number] = accepted[number], ordinal
            if first[number]:
                self.repeat(sub, taken, number, partition, self.seen[accepted_before])
                continue
            first[number] = taken.at
            self.judgement.delivered += 1
            event, written = log.event(number), log.at[number]
            if not wants.always(event) and not wants.may(event, written, taken.at):
                self.wrong(Wrong.ASTRAY, f"{sub.name} got event {number} ({event}) at {taken.at:.3f}")
            windowed = self._windowed[number]
            if windowed:
                self.not_early(sub, taken, number, partition)
            if not ordered:
                continue
            key = (partition, windowed, *sub.key(log, number))
            position = log.position(number)
            if position < sub.order.get(key, (-1, -1)):
                if not wants.steadily(event, written, taken.at):
                    continue
                self.wrong(
                    Wrong.DISORDERED,
                    f"{sub.name} got event {number} at {partition}/{position} after {sub.order[key]}, "
                    f"{taken.id} from {taken.sender} at {taken.at:.3f}",
                )
            else:
                sub.order[key] = position

    def not_early(self, sub: Subscriber, taken: Taken, number: int, partition: int) -> None:
        log = self.log
        for window in sub.wants.windows(log.at[number], taken.at):
            covered = self.state.covered_at(partition, window, log.offset[number])
            if covered is not None and covered <= taken.at:
                return
        self.wrong(Wrong.EARLY, f"{sub.name} got event {number} at {partition}/{log.offset[number]}, {taken.at:.3f}")

    def repeat(self, sub: Subscriber, taken: Taken, number: int, partition: int, before: Seen) -> None:
        """Why was it taken again, after it was `before`?"""
        unheard = (
            not before.told
            or before.ended - before.at > TIMEOUT - TOLD_LATE
            or self.blame.faulty(before.at - TOLD_LATE, before.at + TIMEOUT, sub.name, before.sender)
        )
        claim = self.state.claim_before(partition, taken.at)
        crossed = claim is not None and (claim.at > before.at or before.sender != taken.sender)
        if taken.attempt < sub.attempts.get((taken.id, taken.sender), 1):
            self.again(Cause.UNANSWERED, sub, before)  # held up on its way: later ones have come before it
            return
        same = before.id == taken.id or sub.split.get(before.id, 0.0) > before.at
        if same and before.sender == taken.sender and not crossed:
            again = taken.attempt > 1  # a request that came late, its sender gone, is followed by the next at once
            cause = Cause.UNANSWERED if unheard else Cause.UNHEARD if again else Cause.UNKNOWN
            self.again(cause, sub, before)
            if cause is not Cause.UNKNOWN:
                return
        elif claim is not None and crossed:
            # A later tenure may have kept it owed through any number of checkpoints.
            ended = self.state.claim_after(partition, before.at) or claim
            self.judgement.repeated_by[taken.sender] += 1
            if (
                not before.told
                or before.ended - before.at > TIMEOUT - TOLD_LATE
                or self.blame.unheard(before.at - HEARD, before.ended + HEARD, sub.name, before.sender)
            ):
                self.again(Cause.UNANSWERED, sub, before)
            else:
                self.again(Cause.TAKEN_OVER, sub, before)
                self._repeats[partition, ended.offset] += 1
            if unheard or before.ended >= ended.since or claim.at <= before.at or self.superseded(partition, before):
                return  # the last two: a zombie sent it; whether it still might is asked in `owner`
            if not self.windowed(number) and self.committed(partition, ended.at) <= self.log.offset[number]:
                return  # written, but the group did not confirm the commit: no checkpoint was completed
        else:
            self.again(Cause.UNKNOWN, sub, before)
        self.wrong(
            Wrong.REPEATED,
            f"{sub.name} got event {number} of partition {partition} at {before.at:.3f} ({before.id}, {before.sender}) "
            f"and at {taken.at:.3f} ({taken.id}, {taken.sender}); claim {self.state.claim_after(partition, before.at)}",
        )

    def again(self, cause: Cause, sub: Subscriber, before: Seen) -> None:
        """Count what came again."""
        self.judgement.repeated[cause] += 1
        if cause is Cause.UNANSWERED:
            done = self.blame.disturbed(before.at - TOLD_LATE, before.at + TIMEOUT, sub.name, before.sender)
            self.judgement.unanswered[done] += 1

    def superseded(self, partition: int, seen: Seen) -> bool:
        """Whether another's claim stood when it was sent: its sender had not read it yet, and settled nothing."""
        claim = self.state.claim_before(partition, seen.at)
        return claim is not None and self.blame.claimed_by.get(claim.by, seen.sender) != seen.sender

    def committed(self, partition: int, at: float) -> int:
        """What the group was last seen to have committed at a time; -1: nothing was."""
        place = bisect_right(self.histories.sampled, at, key=lambda sample: sample.at)
        return self.histories.sampled[place - 1].committed.get(str(partition), -1) if place else -1

    # what is left over

    def ranges(self) -> None:
        """Law 11: a window's range only grows, and only by later closes; clocks that are set decide closes anew."""
        clocks = any(fault.kind.startswith("clock") for fault in self.histories.faulted)
        for (partition, window), lines in self.state.ranges.items():
            before = None
            for at, done, to, closed in lines:
                what = f"{window} of partition {partition} at {at:.3f}: [{done}, {to}) closed {closed:.3f}"
                if done > to:
                    self.wrong(Wrong.RANGE, what)
                earlier = before is not None and not clocks and closed < before[2]
                if before and (to < before[1] or done < before[0] or earlier):
                    self.wrong(Wrong.RANGE, f"{what}, was {before}")
                if before and to != before[1] and ((closed <= before[2] and not clocks) or closed % WINDOWS[window]):
                    self.wrong(Wrong.RANGE, f"{what}, was {before}")
                before = (done, to, closed)

    def rest(self) -> None:
        """Law 1: what was owed and not taken is a dead letter for a reason; every dead letter has one."""
        log = self.log
        letters: dict[tuple[str, int, int, int], str] = {}
        for line in self.histories.lettered:
            self.judgement.letters[line.reason] += 1
            letters[line.subscription, line.partition, line.offset, line.place] = line.reason
        buried = {(partition, offset) for (name, partition, offset, _) in letters if name}
        places = {
            (log.partition[number], *log.position(number)): number
            for number in (range(len(log)) if buried else ())
            if (log.partition[number], log.offset[number]) in buried
        }
        malformed = set(log.malformed)
        for (name, partition, offset, index), reason in letters.items():
            where = f"{reason} of {name or 'the feed'} at {partition}/{offset}.{index}"
            if reason == "malformed":
                if (partition, offset) not in malformed:
                    self.wrong(Wrong.LETTERED, where)
                continue
            number = places.get((partition, offset, index), -1)
            sub = self.subscribers.get(name)
            if reason != "rejected" or sub is None or number < 0 or sub.refused.get(number, 0) < 3:
                self.wrong(Wrong.LETTERED, where)
        for partition, offset in malformed:
            if ("", partition, offset, 0) not in letters:
                self.wrong(Wrong.LETTERED, f"nothing for the malformed record at {partition}/{offset}")
        for sub in self.subscribers.values():
            for number in owed(log, sub.wants):
                self.judgement.owed += 1
                if sub.first[number]:
                    continue
                position = log.position(number)
                if (sub.name, log.partition[number], *position) not in letters:
                    tried = self.seen[sub.tried[number]] if sub.tried[number] >= 0 else "never tried"
                    self.wrong(
                        Wrong.LOST, f"event {number} at {log.partition[number]}/{position} for {sub.name}: {tried}"
                    )
