"""When does a subscription stop, and go on? The daemon's suspensions, and the operator's resumes.

Both are entries of the state topic, which every instance follows: a suspension stops the subscription everywhere. Here
it stops at once; it is written again until it is read back. What a stopped subscription is owed stays owed.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from lmshooks.core.commands import WriteState
from lmshooks.core.context import Context
from lmshooks.core.facts import Resumed, Suspended
from lmshooks.core.lanes import Lane
from lmshooks.core.ownership import Ownership
from lmshooks.core.positions import Partition
from lmshooks.core.records import suspend_key


class Suspensions:
    """Which subscriptions are stopped; `owned` are the partitions of this instance."""

    def __init__(self, context: Context, owned: Mapping[Partition, Ownership]) -> None:
        self._context = context
        self._owned = owned
        self._unread: dict[str, str] = {}
        """Subscription -> why it was stopped; those that are not yet read back."""
        self._again_at = 0.0
        """When they are written again; 0 while no write has failed."""

    def suspend(self, subscription_id: str, reason: str) -> None:
        """The daemon stops a subscription. Answers to requests that were under way stop it no second time."""
        suspensions = self._context.ledger.suspensions
        if subscription_id in suspensions:
            return
        suspensions[subscription_id] = reason
        self._unread[subscription_id] = reason
        self._write(subscription_id)
        self._block(subscription_id)
        self._context.facts.append(Suspended(subscription_id, reason))

    def _write(self, subscription_id: str) -> None:
        after = self._context.ledger.resumes.get(subscription_id, -1)
        value = orjson.dumps({"why": self._unread[subscription_id], "after": after})
        self._context.commands.append(WriteState(None, None, ((suspend_key(subscription_id), value),)))

    def unwritten(self, now: float) -> None:
        """The write of one failed, or its fate is unknown."""
        self._again_at = now + 1.0
        self._context.wake_at(self._again_at)

    def look(self, now: float) -> None:
        """Write again what is not read back, once that is due."""
        if self._unread and now >= self._again_at > 0.0:
            self._again_at = 0.0
            for name in self._unread:
                self._write(name)

    def suspended(self, subscription_id: str) -> None:
        """A suspension was read, of whatever instance; it may be void."""
        self._unread.pop(subscription_id, None)
        self._block(subscription_id)

    def resumed(self, subscription_id: str, now: float) -> None:
        """A resume was read: the operator lets the subscription go on."""
        self._unread.pop(subscription_id, None)
        for own, lane in self._lanes_of(subscription_id):
            if lane.blocked and not self._context.blocked(subscription_id):
                lane.blocked = False
                lane.failures = 0
                lane.failing_since = None
                lane.held_until = 0.0
                lane.due.clear()
                own.to_send[lane] = None
        self._context.wake_at(now)
        self._context.facts.append(Resumed(subscription_id))

    def _block(self, subscription_id: str) -> None:
        if self._context.blocked(subscription_id):
            for own, lane in self._lanes_of(subscription_id):
                if not lane.blocked:
                    lane.blocked = True
                    own.shed(lane, "suspended")

    def _lanes_of(self, subscription_id: str) -> list[tuple[Ownership, Lane]]:
        return [
            (own, lane)
            for own in self._owned.values()
            for lane in own.lanes.values()
            if lane.subscription.id == subscription_id
        ]
