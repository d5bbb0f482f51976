"""What is the machine to do? The whole configuration as one value, and the bounds it works within."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lmshooks.core.catalogue import Cadence
from lmshooks.core.subscriptions import Subscription


class Schedule(Protocol):
    """When does a window close? Pure arithmetic over seconds since the epoch."""

    def last_close(self, now: float) -> float:
        """The latest scheduled close at or before `now`."""

    def next_close(self, now: float) -> float:
        """The earliest scheduled close after `now`."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Subscriptions, windows and cadences: what a reload may change."""

    subscriptions: Mapping[str, Subscription] = field(default_factory=dict)
    """By id."""
    windows: Mapping[str, Schedule] = field(default_factory=dict)
    """By name; every window that a subscription names is here."""
    cadences: Mapping[str, Cadence] = field(default_factory=dict)
    """Event name (or glob) -> cadence, where it differs from the catalogue's."""
    orphan_grace: float = 3600.0
    """Seconds for which a lane is kept whose subscription is in no file."""
    version: str = ""
    """A digest of everything above: equal digests mean equal configurations."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the process: what a reload may not change."""

    posts: int = 512
    """Requests of healthy lanes in flight, at most."""
    failing_posts: int = 64
    """Requests of failing lanes in flight, at most: a pool of their own, so that they cannot starve the others."""
    memory: int = 64 * 1024 * 1024
    """Bytes of events held in queues and deliveries, at most."""
    event_bytes: int = 5 * 1024 * 1024
    """A larger event is a dead letter (`oversized`)."""
    checkpoint_interval: float = 1.0
    """Seconds between checkpoints when little happens."""
    commit_interval: float = 0.1
    """Seconds between commits of what needs no checkpoint: all before it is settled, or owed by a record."""
    unconfirmed: float = 0.5
    """Seconds for which posts go on while no state write and no commit is confirmed; a tenth of it with more than
    `checkpoint_events` settled meanwhile."""
    checkpoint_events: int = 100
    """Settled events of a partition that are made durable sooner, by a commit or a checkpoint; and that are too many to
    post on for long while Kafka confirms nothing. With more lanes than that, one a lane."""
    checkpoint_pause: float = 0.05
    """Seconds between checkpoints, at least."""
    checkpoint_records: int = 2000
    """State records in one checkpoint, at most."""
    write_timeout: float = 10.0
    """Seconds after which a state write, commit or dead letter that was not confirmed counts as unknown."""
    pending_letters: int = 1000
    """Dead letters a partition's feed may owe before the feed pauses."""
    compaction_lag: float = 24 * 3600.0
    """Seconds for which the state topic keeps every value: a tombstone waits that long."""
