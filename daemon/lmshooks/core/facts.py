"""What became true? Values for logs and metrics; nothing decides by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lmshooks.core.events import LetterReason
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Failure, Verdict


class Attempted(NamedTuple):
    """One POST was answered, or was not."""

    subscription_id: str
    partition: Partition
    delivery_id: str
    attempt: int
    verdict: Verdict
    status: int | None
    failure: Failure | None
    elapsed: float
    """Seconds."""
    events: int
    size: int
    """Bytes of events."""
    age: float
    """Seconds from the oldest event's writing to now."""
    next_attempt: float | None
    """Seconds until the next attempt, where one is planned."""
    detail: str
    kind: str
    """The lane's cadence: `real-time` or `windowed`."""
    host: str = ""
    """The endpoint's."""


class Consumed(NamedTuple):
    """Records of a live feed were taken in."""

    partition: Partition
    records: int
    events: int
    matched: int
    """Times an event was handed to a lane, or was left to a detached one."""


@dataclass(frozen=True, slots=True)
class Lettered:
    """An event was given up: its dead letter is written."""

    partition: Partition
    offset: int
    index: int
    reason: LetterReason
    why: str
    subscription_id: str | None


class Detached(NamedTuple):
    """A lane no longer follows its feed: its position is written down."""

    subscription_id: str
    partition: Partition
    kind: str
    why: str
    """full, failing, suspended, paused, born, moved, restored"""


class Attached(NamedTuple):
    """A lane follows its feed again."""

    subscription_id: str
    partition: Partition
    kind: str


class AccountHeld(NamedTuple):
    """An account's delivery fails again and again where others' may go: its events are left in the log."""

    subscription_id: str
    partition: Partition
    kind: str
    account: str


class AccountCaughtUp(NamedTuple):
    """A held account has come as far as its lane."""

    subscription_id: str
    partition: Partition
    kind: str
    account: str


class Suspended(NamedTuple):
    """The daemon stopped a subscription: `gone` (410) or `horizon` (days of failure)."""

    subscription_id: str
    reason: str


class Resumed(NamedTuple):
    """An operator's resume took effect."""

    subscription_id: str


class Claimed(NamedTuple):
    """A partition's claim was read back: this instance owns it now."""

    partition: Partition
    tenure: int
    position: int
    lanes: int
    """Lane records that were found."""


class Superseded(NamedTuple):
    """Another claim on the partition was seen: everything stops and is claimed again."""

    partition: Partition
    tenure: int


class Released(NamedTuple):
    """A partition was given back."""

    partition: Partition
    clean: bool
    """Whether the last checkpoint was confirmed."""


class Checkpointed(NamedTuple):
    """Positions became durable."""

    partition: Partition
    records: int
    target: int
    elapsed: float
    """Seconds from the decision to the acknowledged commit."""


class Stalled(NamedTuple):
    """A state write, commit or dead letter failed or was not confirmed in time; it is tried again."""

    partition: Partition
    what: str
    """write, commit, letter, claim, read"""


class StateLost(NamedTuple):
    """The state topic ends before what was committed: nothing is delivered from the partition until it is mended."""

    partition: Partition
    expected: int
    found: int


class Unreadable(NamedTuple):
    """A state record cannot be read: its partition is held, the others go on."""

    partition: Partition
    key: str
    offset: int
    """Of the record, in the state topic."""
    why: str
    """What was found."""
    advice: str


class WindowClosed(NamedTuple):
    """A window's end became durable, or an open range was found at a take-over."""

    window: str
    partition: Partition
    start: int
    end: int
    closed_at: float


class WindowDone(NamedTuple):
    """A window's range was read and handed out."""

    window: str
    partition: Partition
    end: int


class Expired(NamedTuple):
    """The log no longer holds what a lane (or, with None, the live feed) was to read: events are lost."""

    subscription_id: str | None
    partition: Partition
    start: int
    end: int


class Reconfigured(NamedTuple):
    """Another configuration is in effect."""

    version: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    activated: tuple[str, ...]
    retired: tuple[str, ...]
    endpoint_only: tuple[str, ...] = ()
    """Of the changed ones: those whose lanes are not touched."""
    moved: tuple[str, ...] = ()
    """To another window: `crm: default -> nightly`."""
    schedules: tuple[str, ...] = ()
    """Windows and cadences that are new, gone, or another."""


class Orphaned(NamedTuple):
    """A lane's subscription is in no file; what it is owed is kept for the grace."""

    subscription_id: str
    partition: Partition


class GivenUp(NamedTuple):
    """What a subscription was owed was given up by an operator's act."""

    subscription_id: str
    partition: Partition
    why: str
    """removed, retired"""
    in_hand: int
    """Events that were in memory."""
    span: int
    """Log records from its position to the feed's."""


class Skipped(NamedTuple):
    """An operator moved the group's offset, ahead or back; it is obeyed."""

    partition: Partition
    mirror: int
    """What was last committed here."""
    committed: int
    """Where the group stands now."""


Fact = (
    Attempted
    | Consumed
    | Lettered
    | Detached
    | Attached
    | AccountHeld
    | AccountCaughtUp
    | Suspended
    | Resumed
    | Claimed
    | Superseded
    | Released
    | Checkpointed
    | Stalled
    | StateLost
    | Unreadable
    | WindowClosed
    | WindowDone
    | Expired
    | Reconfigured
    | Orphaned
    | GivenUp
    | Skipped
)

NAMES: dict[type, str] = {
    Attempted: "delivery.attempted", Consumed: "feed.consumed", Lettered: "letter.written", Detached: "lane.detached",
    Attached: "lane.attached", AccountHeld: "account.held", AccountCaughtUp: "account.caught_up",
    Suspended: "subscription.suspended", Resumed: "subscription.resumed",
    Claimed: "partition.claimed", Superseded: "partition.superseded", Released: "partition.released",
    Checkpointed: "checkpoint.completed", Stalled: "store.stalled", StateLost: "state.lost",
    Unreadable: "state.unreadable",
    WindowClosed: "window.closed", WindowDone: "window.done", Expired: "events.expired",
    Reconfigured: "configuration.applied", Orphaned: "lane.orphaned", GivenUp: "events.given_up",
    Skipped: "group.moved",
}  # fmt: skip
"""The log event of each fact."""
