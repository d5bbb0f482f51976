"""Which account of a lane of all accounts is held? One whose delivery fails again and again, while others' may go.

Everything of the account from `next` on is owed, and left in the log; what lies before it is settled, pending, missing
or waits in memory. Once the delivery is taken, the account rides a sweep of its own accord, as its lane does, until it
has come as far as the lane (decision 29).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from lmshooks.core.deliveries import Delivery
from lmshooks.core.events import Event
from lmshooks.core.positions import Position
from lmshooks.core.routing import EVERY_ACCOUNT
from lmshooks.core.subscriptions import Order, Subscription

if TYPE_CHECKING:
    from lmshooks.core.lanes import Lane

SEVERAL = 3
"""Failures in a row, at least, after which an endpoint is taken to be down, or an account to fail."""
MOST = 32
"""Accounts of a lane that are held, at most: with more of them the lane waits as a whole."""


class Held:
    """A held account: what a sweep asks of those that ride it, and answers for the lane."""

    __slots__ = ("account", "boarded", "lane", "limit", "next", "pace")
    horizon: Position = (0, 0)
    missing = needed = ()

    def __init__(self, lane: Lane, account: str, position: Position) -> None:
        self.lane = lane
        self.account = account
        self.next = self.limit = position
        self.boarded: tuple[float, int] | None = None
        self.pace: float | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What it is known by within its partition."""
        return (*self.lane.identity, self.account)

    @property
    def subscription(self) -> Subscription:
        """Its lane's."""
        return self.lane.subscription

    @property
    def alive(self) -> bool:
        """Whether its lane is, and it is still held."""
        return self.lane.alive and self.lane.held.get(self.account) is self

    @property
    def blocked(self) -> bool:
        """Whether its lane is."""
        return self.lane.blocked

    @property
    def failures(self) -> int:
        """Failed attempts that speak against waiting for it."""
        return self.lane.failures or int(fails(self.lane, self.account))

    @property
    def settled_at(self) -> float:
        """When its lane last settled something."""
        return self.lane.settled_at

    @property
    def full(self) -> bool:
        """Whether it takes no more: it holds one delivery's worth."""
        return self.lane.full or count(self.lane, self.account) >= self.lane.subscription.max_events

    def take(self, event: Event, key: str) -> None:
        """Append an event of the account."""
        self.lane.take(event, key)


Rider: TypeAlias = "Lane | Held"
"""Who rides a sweep."""


def by_account(lane: Lane) -> bool:
    """Whether each of the lane's accounts has an order of its own: then one may wait, and the others go."""
    return lane.account == EVERY_ACCOUNT and lane.subscription.order is Order.ACCOUNT


def one_fails(lane: Lane) -> bool:
    """Whether, of several accounts, all that failed is one's: that says nothing of the others."""
    return by_account(lane) and len({one.account for one in lane.pending if one.id in lane.due}) == 1


def others_go(lane: Lane) -> bool:
    """Whether other accounts' events go out, though some fail: then the lane lets go of nothing, and waits for none."""
    return by_account(lane) and not lane.down


def fails(lane: Lane, account: str) -> bool:
    """Whether a delivery of the account waits for another attempt."""
    return any(one.id in lane.due and one.account == account for one in lane.pending)


def count(lane: Lane, account: str) -> int:
    """How many events of the account wait in memory."""
    return sum(len(queue) for queue in lane.waiting.values() if queue[0].account == account)


def stuck(lane: Lane) -> int:
    """Events in memory that wait for another attempt, and keep no other account's from being taken in."""
    if not by_account(lane) or len(lane.due) > MOST:
        return 0
    return sum(len(one.events) for one in lane.pending if one.id in lane.due)


def holds(lane: Lane, delivery: Delivery) -> bool:
    """Whether a delivery that failed holds its account: it did several times, and others may go.

    So it does, too, where the endpoint seems to be down, and nobody else's event is here to try it with. Where single
    positions are missing, or were settled within another order, a place does not tell what is owed.
    """
    if delivery.attempts < SEVERAL or not by_account(lane) or lane.missing or lane.mixed:
        return False
    if len(lane.held) >= MOST and delivery.account not in lane.held:
        return False
    return not (lane.down and lane.ready)
