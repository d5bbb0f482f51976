"""How does it stand? A picture of the machine, for metrics, status page and health."""

from __future__ import annotations

from typing import NamedTuple

from lmshooks.core.positions import Partition


class SubscriptionStats(NamedTuple):
    """What one subscription is owed by this instance, over its partitions."""

    id: str
    account: str
    state: str
    """active, inactive, suspended, orphaned"""
    suspended_for: str | None
    """gone, horizon"""
    attached: int
    """Lanes."""
    detached: int
    failing: int
    in_flight: int
    """Deliveries out."""
    queued: int
    """Events in memory that are not settled."""
    behind: int
    """Log records between its lanes' positions and their feeds': an upper bound of what is owed beside `queued`."""
    oldest_owed_at: float | None
    """When the oldest event known to be owed was written, seconds since the epoch."""
    failing_since: float | None
    next_attempt: float | None
    last_status: str
    """The last failing attempt's status or failure, for people; empty after a success."""
    last_verdict: str = ""
    """How that attempt was judged."""
    last_detail: str = ""
    """What it said: the beginning of the answer's body, or what went wrong."""
    host: str = ""
    """Of its endpoint: its URL may be a secret."""
    suspended_at: float | None = None
    settled_at: float | None = None
    """When something was last delivered or given up, since this instance owns the partition."""
    owed: int = 0
    """Events known to be owed: in memory, or by their positions."""
    unseen: int = 0
    """Log records that were not yet looked at for it: what is its own of them is owed on top."""
    held: tuple[str, ...] = ()
    """Accounts whose deliveries fail while others' go; what they are owed waits in the log."""


class PartitionStats(NamedTuple):
    """One owned partition."""

    partition: Partition
    state: str
    """claiming, starting, running, full, stuck, held, lost, unreadable, releasing"""
    tenure: int
    read: int
    """Offset up to which the live feed has read."""
    committed: int
    log_end: int
    sweeps: int
    pending_letters: int
    last_checkpoint: float
    """When the last checkpoint was confirmed, seconds since the epoch."""
    still_since: float | None = None
    """While the log holds more than the live feed has read: since when it has not moved, as far as looked."""


class WindowStats(NamedTuple):
    """One window over the partitions of this instance."""

    name: str
    next_close: float
    last_close: float
    open_ranges: int
    """Partitions in which a closed range is not yet done."""


class Stats(NamedTuple):
    """Everything at a moment."""

    subscriptions: tuple[SubscriptionStats, ...]
    """Those with something to tell: not active and idle ones."""
    partitions: tuple[PartitionStats, ...]
    windows: tuple[WindowStats, ...]
    configured: int
    """Subscriptions in the configuration."""
    version: str
    posts: int
    """Requests in flight."""
    failing_posts: int
    memory: int
    """Bytes of events held."""
