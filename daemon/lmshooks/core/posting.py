"""What goes out, and what do the answers mean? Permits, posts, verdicts.

Failing lanes draw on permits of their own, so that endpoints that hang cannot starve healthy ones. A failure holds its
key; several in a row with no success between them, or a Retry-After, hold the lane, which then probes with its head.
"""

from __future__ import annotations

from lmshooks.core import holding, sweeping
from lmshooks.core.commands import Bury, Post
from lmshooks.core.context import Context
from lmshooks.core.deliveries import Delivery
from lmshooks.core.events import LetterReason
from lmshooks.core.exposure import YOUNG
from lmshooks.core.facts import Attempted, Stalled
from lmshooks.core.held import holds, others_go
from lmshooks.core.lanes import PROBATION, Lane
from lmshooks.core.ownership import Ownership
from lmshooks.core.records import Kind
from lmshooks.core.retrying import Outcome, Verdict, judge, refused, wait_before

DETAIL = 200
"""Characters of a failed attempt's detail that are remembered for the status page."""


class Posting:
    """The requests in flight of the whole process."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.posts = 0
        self.failing_posts = 0
        self.starved: tuple[dict[Lane, Ownership], dict[Lane, Ownership]] = ({}, {})
        """Lanes, healthy and failing, that have something to send and found no permit; first come, first served."""

    def attempted(self, post: Post, outcome: Outcome, now: float) -> str | None:
        """Judge an answer; why the subscription is to be suspended, where it is."""
        own: Ownership
        lane: Lane
        delivery: Delivery
        own, lane, delivery = post.ticket
        if delivery.failing:
            self.failing_posts -= 1
        else:
            self.posts -= 1
        reason = None
        if lane.alive:
            lane.out -= 1
            delivery.out = False
            own.exposure.answer(delivery)
            verdict = judge(outcome, len(delivery.members), delivery.refusals)
            reason = self._judged(own, lane, delivery, post, outcome, verdict, now)
            own.to_send[lane] = None
            own.dirty = True
            if own.sweeps or lane.kind is Kind.WINDOWED:
                for stream in (*own.sweeps, *(one.stream for one in own.windows.values() if one.stream)):
                    if stream.waits_for is lane:
                        sweeping.pump(own, stream, now)
        else:
            own.answered_late(lane)
        return reason

    def _judged(
        self, own: Ownership, lane: Lane, delivery: Delivery, post: Post, outcome: Outcome, verdict: Verdict, now: float
    ) -> str | None:
        oldest = delivery.events[delivery.members[0]].written_at
        size = delivery.size
        wait: float | None = None
        reason: str | None = None
        if verdict is Verdict.DELIVERED:
            lane.failures = 0
            lane.failing_since = None
            lane.held_until = 0.0
            lane.concurrency.delivered(lane.out, outcome.elapsed)
            self.context.endpoints.took(post.subscription_id, now)
            lane.last_status = lane.last_verdict = lane.last_detail = ""
            self._settle(own, lane, delivery, now)
        elif verdict is Verdict.SPLIT:
            lane.split(delivery)
        elif verdict is Verdict.REJECTED:
            self._bury(own, lane, delivery, outcome, now)
        elif verdict is Verdict.GONE:
            _remember(lane, outcome, verdict)
            reason = "gone"
        else:
            wait = self._failed(own, lane, delivery, outcome, verdict, now)
            if lane.failing_since is not None and now - lane.failing_since >= lane.subscription.retry.horizon:
                reason = "horizon"
        self.context.facts.append(
            Attempted(
                post.subscription_id, own.partition, post.delivery_id, post.attempt, verdict, outcome.status,
                outcome.failure, outcome.elapsed, post.events, size, now - oldest, wait, outcome.detail,
                lane.kind.value, post.endpoint.host,
            )
        )  # fmt: skip
        return reason

    def _settle(self, own: Ownership, lane: Lane, delivery: Delivery, now: float) -> None:
        own.exposure.settle(lane, delivery)
        self.context.memory -= lane.settle(delivery, now)
        own.to_send[lane] = None
        own.dirty = True
        own.clean = False

    def _failed(
        self, own: Ownership, lane: Lane, delivery: Delivery, outcome: Outcome, verdict: Verdict, now: float
    ) -> float:
        """A failure holds its key; several in a row, or Retry-After, hold the lane."""
        policy = lane.subscription.retry
        lane.failures += 1
        lane.concurrency.failed()
        self.context.endpoints.failed(lane.subscription.id)
        _remember(lane, outcome, verdict)
        if lane.failing_since is None:
            lane.failing_since = now
        if refused(outcome):
            delivery.refusals += 1
        wait = wait_before(delivery.attempts + 1, policy, delivery.id, outcome.retry_after)
        lane.due[delivery.id] = now + wait
        lane.fresh = delivery.attempts > 1
        if verdict is Verdict.WAIT:
            lane.held_until = max(lane.held_until, now + wait)
        elif lane.down:  # an account more that is tried makes the waits no shorter
            tried = max(delivery.attempts, lane.failures - len(lane.pending) + 1)
            lane.held_until = max(lane.held_until, now + wait_before(tried + 1, policy, delivery.id, None))
        if holds(lane, delivery):
            holding.hold(own, lane, delivery.account)
        # Lanes are looked at only so often: a wake-up before that would be spent for nothing.
        self.context.wake_at(max(now + wait, own.look_due))
        if max(wait, lane.held_until - now) > PROBATION and not lane.out and not others_go(lane):
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

    def send(self, own: Ownership, now: float) -> None:
        """Post what may go out, while there are permits."""
        if not own.may_post(now):
            return
        for lane, owner in self._fed(now):
            self._send_lane(owner, lane, now)
        own.exposure.full = own.exposure.patient_full = False
        waiting, own.to_send = own.to_send, {}
        for lane in waiting:
            if lane.alive:
                self._send_lane(own, lane, now)

    def _fed(self, now: float) -> list[tuple[Lane, Ownership]]:
        """Starved lanes for which there are permits now, taken out of the queues."""
        limits = self.context.limits
        fed: list[tuple[Lane, Ownership]] = []
        for queue, permits in zip(
            self.starved, (limits.posts - self.posts, limits.failing_posts - self.failing_posts), strict=True
        ):
            free = permits
            while queue and free > 0:
                lane = next(iter(queue))
                owner = queue.pop(lane)
                if lane.alive and owner.may_post(now):
                    fed.append((lane, owner))
                    free -= 1
                elif lane.alive:
                    owner.to_send[lane] = None
        return fed

    def _send_lane(self, own: Ownership, lane: Lane, now: float) -> None:
        limits = self.context.limits
        subscription = lane.subscription
        doubtful = self.context.endpoints.doubtful(subscription.id, now, lane.queued > subscription.max_events)
        while True:
            room = own.exposure.room(now, own.much, lane.kind is Kind.WINDOWED)
            if not room:
                own.to_send[lane] = None
                self.context.wake_at(now + YOUNG)
                return
            failing = lane.failures > 0
            if (self.failing_posts >= limits.failing_posts) if failing else (self.posts >= limits.posts):
                if lane.ready or lane.pending:
                    self.starved[failing][lane] = own
                return
            delivery = lane.sendable(now, 1 if doubtful else room)
            if delivery is None:
                return
            delivery.attempts += 1
            delivery.out = True
            delivery.failing = failing
            lane.concurrency.since = now
            lane.out += 1
            own.exposure.post(delivery, now)
            if failing:
                self.failing_posts += 1
            else:
                self.posts += 1
            self.context.commands.append(
                Post((own, lane, delivery), lane.subscription.id, lane.subscription.endpoint, delivery.id,
                     delivery.attempts, delivery.body(), len(delivery.members))
            )  # fmt: skip

    def buried(self, own: Ownership, bury: Bury, ok: bool, now: float) -> None:
        """A rejected event settles only when its dead letter is acknowledged; else it is written again."""
        lane: Lane = bury.ticket[2]
        delivery: Delivery = bury.ticket[3]
        if not lane.alive:
            return
        delivery.out = False
        if ok:
            self._settle(own, lane, delivery, now)
            return
        lane.due[delivery.id] = now + 5.0
        self.context.wake_at(now + 5.0)
        self.context.facts.append(Stalled(own.partition, "letter"))


def _remember(lane: Lane, outcome: Outcome, verdict: Verdict) -> None:
    """What an operator asks first of an endpoint that fails."""
    lane.last_status = str(outcome.status) if outcome.status is not None else str(outcome.failure)
    lane.last_verdict = str(verdict)
    lane.last_detail = outcome.detail[:DETAIL]
