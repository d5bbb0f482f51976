"""What goes out in one request? A delivery: members that never change, and how its attempts went."""

from __future__ import annotations

from lmshooks.core.envelope import body, cut_id, delivery_id
from lmshooks.core.events import Event
from lmshooks.core.positions import Partition, Position


class Attempt:
    """A request that went out."""

    __slots__ = ("at", "events")

    def __init__(self, at: float, events: int) -> None:
        self.at = at
        self.events = events
        """How many events it has; none once it is known to be over, or slow."""


class Delivery:
    """One request's worth of events of a lane, all of one account.

    Its id and its members never change over retries; neither do its bytes, which leave memory while the delivery waits
    long for its next attempt and are made again from the log.
    """

    __slots__ = (
        "account_json", "attempt", "attempts", "events", "failing", "id", "keys", "members", "out", "refusals", "size",
    )  # fmt: skip

    def __init__(self, delivery_id: str, members: tuple[Position, ...], keys: tuple[str, ...] = ()) -> None:
        self.id = delivery_id
        self.members = members
        self.keys = keys
        self.events: dict[Position, Event] = {}
        """The members whose bytes are in memory."""
        self.account_json = b""
        self.size = 0
        """Bytes of the events in memory."""
        self.attempts = 0
        self.refusals = 0
        """Attempts answered with a refusal of this very content."""
        self.out = False
        """Whether an attempt is under way."""
        self.failing = False
        """Whether its attempt draws on the permits of failing lanes."""
        self.attempt: Attempt | None = None
        """The one under way."""

    @property
    def account(self) -> str:
        """Whose events they are."""
        return self.keys[0].partition("\0")[0]

    @property
    def whole(self) -> bool:
        """Whether the bytes of all members are here."""
        return len(self.events) == len(self.members)

    def cut(self, kept: tuple[Position, ...]) -> None:
        """The log no longer holds the other members. What is left is another delivery: its bytes are, so its id is."""
        if len(kept) < len(self.members):
            self.members = kept
            self.id = cut_id(self.id, kept)

    def body(self) -> bytes:
        """The request's body: ALM's envelope."""
        return body(self.account_json, [self.events[member].raw for member in self.members])


def delivery_of(subscription_id: str, partition: Partition, events: list[Event], keys: tuple[str, ...]) -> Delivery:
    """A new delivery of these events, which are in order, and of one account."""
    members = tuple([event.position for event in events])
    identity = delivery_id(
        subscription_id, partition.topic, partition.number, [(event.position, event.id) for event in events]
    )
    made = Delivery(identity, members, keys)
    made.events = dict(zip(members, events, strict=True))
    made.account_json = events[0].account_json
    made.size = sum([len(event.raw) for event in events])
    return made
