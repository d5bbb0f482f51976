"""Do the histories of a run break a law? Judged from them alone: nothing is asked of the daemon.

    log ──> LogIndex ──┐
    state topic ──> StateHistory ──┤
    versions ──> Wants ────────────┼──> every request, in the order of arrival ──> what is left over ──> Judgement
    faults, lives ─────────────────┘

Where the histories leave something open (a version that may still have been in effect, a request that the network held
up), the daemon has the benefit of the doubt; so what is counted as wrong is wrong.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import NamedTuple

from tests.chaos.commits import committed_past
from tests.chaos.histories import Faulted, Histories, Taken, content_of
from tests.chaos.log_index import LogIndex, Wants
from tests.chaos.specs import TIMEOUT, WINDOWS, Version
from tests.chaos.state_history import Claim, StateHistory
from tests.chaos.verdicts import Cause, Judgement, Wrong

REFUSED = (400, 413, 415, 422)
TOLD_LATE = 1.0
"""Seconds that an answer may be on its way before it counts as late."""
RETRIED = 0.4
"""Seconds between a failure and the next attempt, at least. (That a request came late is not seen.)"""
TWO_OWNERS = 10.0
"""Seconds after another's claim in which an instance may not know of it: its session, and a request under way."""
MOVING = ("kill", "stop", "sleep", "rolling", "partition", "Kafka", "broker", "controller", "all brokers")
"""How faults begin that make partitions change hands."""
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
        self.tried = array("q", b"\xff" * 8 * events)
        """By event: the request that last held it; -1: none yet."""
        self.accepted = array("q", b"\xff" * 8 * events)
        self.order: dict[tuple, tuple[int, int]] = {}
        self.flying: dict[tuple, Seen] = {}
        self.bodies: dict[str, tuple[str, float]] = {}
        """Delivery id -> body, when it was first tried."""
        self.members: dict[tuple[int, ...], str] = {}
        self.refused: dict[int, int] = {}
        """By event: how often it was refused alone."""
        self.split: dict[str, float] = {}
        """Delivery id -> when it was last refused, and so split."""
        self.attempts: dict[tuple[str, str], int] = {}
        """(delivery id, sender) -> the highest attempt that has come."""


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
        self.claimed_by = {line.claims: line.sender for line in histories.lived}

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
        if not taken.verified:
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
        self.seen.append(Seen(taken.at, taken.ended, taken.id, taken.sender, taken.status, taken.told))
        for number in taken.numbers:
            sub.tried[number] = ordinal
        attempt = taken.id, taken.sender
        sub.attempts[attempt] = max(taken.attempt, sub.attempts.get(attempt, 0))
        if taken.status in REFUSED:
            sub.split[taken.id] = taken.at
        if taken.status in REFUSED and len(taken.numbers) == 1:
            sub.refused[taken.numbers[0]] = sub.refused.get(taken.numbers[0], 0) + 1
        if 200 <= taken.status < 300:
            self.accept(sub, taken, partition, ordinal)

    def windowed(self, number: int) -> bool:
        log = self.log
        return self.state.windowed(log.partition[number], log.offset[number], log.event(number).name)

    def same(self, sub: Subscriber, taken: Taken, what: str) -> None:
        """Law 6: an id means the same bytes for ever, and the same events the same id."""
        body, _ = sub.bodies.setdefault(taken.id, (taken.digest, taken.at))
        if body != taken.digest:
            self.wrong(Wrong.BODY, what)
        if sub.members.setdefault(taken.numbers, taken.id) != taken.id:
            self.wrong(Wrong.ID, f"{what}: was {sub.members[taken.numbers]}")

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
            claim = self.state.claim_before(partition, taken.at)
            if before.sender == taken.sender and not self.state.claimed_between(partition, before.at, taken.at):
                self.wrong(Wrong.REGROUPED, f"{what}: event {number} was in {before.id} at {before.at:.3f}")
            elif claim and sub.bodies[before.id][1] < claim.since and not 200 <= before.status < 300:
                self.wrong(Wrong.REGROUPED, f"{what}: event {number} was in {before.id} long before the take-over")
            return

    def flight(self, sub: Subscriber, taken: Taken, partition: int, windowed: bool, what: str) -> None:
        """Law 3: one of a key at a time, within a tenure."""
        spec = sub.wants.specs[0]
        now = Seen(taken.at, taken.ended, taken.id, taken.sender, taken.status, taken.told)
        if spec.order == "none":
            return
        keys = set()
        for number in taken.numbers:
            event = self.log.event(number)
            keys.add((partition, windowed, *spec.key(event.account, event.learner)))
        for key in keys:
            before = sub.flying.get(key)
            sub.flying[key] = now
            if before is None or before.sender != taken.sender:
                continue
            if taken.at > min(before.ended, before.at + TIMEOUT) - 0.05:
                continue
            if self.state.claimed_between(partition, before.at - 1.0, taken.at):
                continue
            if self.faulty(before.at - TIMEOUT, taken.at, sub.name):
                continue
            self.wrong(Wrong.OVERLAPPING, f"{what}: {before.id} came at {before.at:.3f}, ended {before.ended:.3f}")

    def owner(self, taken: Taken, partition: int, what: str) -> None:
        """Nobody sends for a partition that another has claimed long ago."""
        claim = self.state.claim_before(partition, taken.at)
        owner = claim and self.claimed_by.get(claim.by)
        if claim is None or owner is None or owner == taken.sender or taken.at < claim.at + TWO_OWNERS:
            return
        name = taken.sender.partition(".")[0]
        for fault in self.histories.faulted:
            if fault.kind == "sleep" and fault.target == name and fault.ended <= taken.at <= fault.ended + WAKING:
                return
        self.wrong(Wrong.TWO_OWNERS, f"{what}: partition {partition} is {owner}'s since {claim.at:.3f}")

    # what was taken

    def accept(self, sub: Subscriber, taken: Taken, partition: int, ordinal: int) -> None:
        log, spec = self.log, sub.wants.specs[0]
        for number in taken.numbers:
            if sub.first[number]:
                self.repeat(sub, taken, number, partition)
                sub.accepted[number] = ordinal
                continue
            sub.first[number] = taken.at
            sub.accepted[number] = ordinal
            self.judgement.delivered += 1
            event, written = log.event(number), log.at[number]
            if not sub.wants.may(event, written, taken.at):
                self.wrong(Wrong.ASTRAY, f"{sub.name} got event {number} ({event}) at {taken.at:.3f}")
            windowed = self.windowed(number)
            if windowed:
                self.not_early(sub, taken, number, partition)
            if spec.order == "none":
                continue
            key = (partition, windowed, *spec.key(event.account, event.learner))
            position = log.position(number)
            if position < sub.order.get(key, (-1, -1)):
                if not sub.wants.steadily(event, written, taken.at):
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

    def repeat(self, sub: Subscriber, taken: Taken, number: int, partition: int) -> None:
        """Why was it taken again?"""
        before = self.seen[sub.accepted[number]]
        unheard = (
            not before.told
            or before.ended - before.at > TIMEOUT - TOLD_LATE
            or self.faulty(before.at - TOLD_LATE, before.at + TIMEOUT, sub.name, before.sender)
        )
        claim = self.state.claim_before(partition, taken.at)
        crossed = claim is not None and (claim.at > before.at or before.sender != taken.sender)
        if taken.attempt < sub.attempts[taken.id, taken.sender]:
            self.judgement.repeated[Cause.UNANSWERED] += 1  # held up on its way: later ones have come before it
            return
        same = before.id == taken.id or sub.split.get(before.id, 0.0) > before.at
        if same and before.sender == taken.sender and not crossed:
            late = taken.at - before.at >= RETRIED and taken.attempt > 1
            cause = Cause.UNANSWERED if unheard else Cause.UNHEARD if late else Cause.UNKNOWN
            self.judgement.repeated[cause] += 1
            if cause is not Cause.UNKNOWN:
                return
        elif claim is not None and crossed:
            self.judgement.repeated[Cause.TAKEN_OVER] += 1
            self.judgement.repeated_after[self.kind_before(claim)] += 1
            self.judgement.repeated_by[taken.sender] += 1
            # A later tenure may have kept it owed through any number of checkpoints.
            ended = self.state.claim_after(partition, before.at) or claim
            if unheard or before.at >= ended.since or claim.at <= before.at:
                return  # the last: a zombie sent it meanwhile; whether it still might is asked in `owner`
            if not self.windowed(number) and self.committed(partition, ended.at) <= self.log.offset[number]:
                return  # written, but the group did not confirm the commit: no checkpoint was completed
        else:
            self.judgement.repeated[Cause.UNKNOWN] += 1
        self.wrong(
            Wrong.REPEATED,
            f"{sub.name} got event {number} of partition {partition} at {before.at:.3f} ({before.id}, {before.sender}) "
            f"and at {taken.at:.3f} ({taken.id}, {taken.sender}); claim {self.state.claim_after(partition, before.at)}",
        )

    def committed(self, partition: int, at: float) -> int:
        """What the group was last seen to have committed at a time; -1: nothing was."""
        place = bisect_right(self.histories.sampled, at, key=lambda sample: sample.at)
        return self.histories.sampled[place - 1].committed.get(str(partition), -1) if place else -1

    def faulty(self, begin: float, end: float, *targets: str) -> bool:
        """Whether anything was done to the network or to one of the targets in a time."""
        names = {target.partition(".")[0] for target in targets}
        return any(
            fault.began <= end and fault.ended >= begin and fault.target in names for fault in self.histories.faulted
        )

    def kind_before(self, claim: Claim) -> str:
        """The fault that most likely caused a change of hands: the last that was going on shortly before."""
        last: Faulted | None = None
        for fault in self.histories.faulted:
            if fault.began <= claim.at and fault.ended >= claim.at - 30.0 and fault.kind.startswith(MOVING):
                last = fault
        return last.kind if last else "nothing"

    # what is left over

    def ranges(self) -> None:
        """Law 11: a window's range only grows, and only by later closes."""
        for (partition, window), lines in self.state.ranges.items():
            before = None
            for at, done, to, closed in lines:
                what = f"{window} of partition {partition} at {at:.3f}: [{done}, {to}) closed {closed:.3f}"
                if done > to:
                    self.wrong(Wrong.RANGE, what)
                if before and (to < before[1] or done < before[0] or closed < before[2]):
                    self.wrong(Wrong.RANGE, f"{what}, was {before}")
                if before and to != before[1] and (closed <= before[2] or closed % WINDOWS[window]):
                    self.wrong(Wrong.RANGE, f"{what}, was {before}")
                before = (done, to, closed)

    def rest(self) -> None:
        """Law 1: what was owed and not taken is a dead letter for a reason; every dead letter has one."""
        log = self.log
        letters: dict[tuple[str, int, int, int], str] = {}
        for line in self.histories.lettered:
            self.judgement.letters[line.reason] += 1
            letters[line.subscription, line.partition, line.offset, line.place] = line.reason
        places = (
            {(log.partition[number], *log.position(number)): number for number in range(len(log))} if letters else {}
        )
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
            for number in range(len(log)):
                if not log.has(number) or not sub.wants.must(log.event(number), log.at[number]):
                    continue
                self.judgement.owed += 1
                if sub.first[number]:
                    continue
                position = log.position(number)
                if (sub.name, log.partition[number], *position) not in letters:
                    tried = self.seen[sub.tried[number]] if sub.tried[number] >= 0 else "never tried"
                    self.wrong(
                        Wrong.LOST, f"event {number} at {log.partition[number]}/{position} for {sub.name}: {tried}"
                    )
