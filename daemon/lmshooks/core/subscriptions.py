"""Who gets what? One YAML entry as a value: the subscription, and its endpoint."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from lmshooks.core.filters import Filter
from lmshooks.core.keys import SigningKey


class Order(StrEnum):
    """Within what is order kept, one delivery at a time?"""

    ACCOUNT = "account"
    LEARNER = "learner"
    NONE = "none"


class Resume(StrEnum):
    """What becomes of what is owed when a subscription is switched off?"""

    BACKLOG = "backlog"
    """Held, and delivered when it is switched on again."""
    NOW = "now"
    """Given up, counted and logged; the subscription goes on with what comes after."""


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """HTTP Basic (RFC 7617)."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """`Authorization: Bearer` (RFC 6750)."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignatureAuth:
    """Standard Webhooks; one signature a key, so that a rotation may overlap."""

    secrets: tuple[SigningKey, ...] = field(repr=False)
    """Newest first: what `whsec_...` stands for signs `v1`, what `whsk_...` stands for `v1a`."""


Auth = BasicAuth | BearerAuth | SignatureAuth | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a subscription's deliveries are posted, and how."""

    url: str = field(repr=False)
    auth: Auth = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_timeout: float = 10.0
    """Seconds."""
    total_timeout: float = 15.0
    """Seconds, connecting included."""
    ca_file: str | None = None
    """A PEM file of the authorities that may have signed the endpoint's certificate, instead of the system's."""
    cert_file: str | None = None
    """A PEM file of our own certificate, where the endpoint asks for one (mTLS)."""
    key_file: str | None = None
    """The key of that certificate; None where it is in the same file."""
    host: str = field(init=False, compare=False, default="")
    """Of the URL, for log lines: the rest of a URL is a secret."""

    def __post_init__(self) -> None:
        with suppress(ValueError):  # not a URL: whoever posts to it says so
            object.__setattr__(self, "host", urlsplit(self.url).hostname or "")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """ALM's schedule: 5 s, doubling, at most 5 min apart, for 7 days of uninterrupted failure."""

    initial: float = 5.0
    """Seconds to the second attempt."""
    ceiling: float = 300.0
    """Seconds between attempts, at most."""
    horizon: float = 7 * 86400.0
    """Seconds of uninterrupted failure after which the subscription is suspended."""
    jitter: float = 0.2
    """The share of each wait that is drawn at random (0 none, 1 full jitter)."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who gets which events, where, and in what manner."""

    id: str
    account: str
    """An account id, or `*` for every account."""
    events: tuple[str, ...]
    """Event names, globs (`COURSE_*`) among them."""
    endpoint: Endpoint
    name: str = ""
    description: str = ""
    filter: Filter | None = None
    window: str = "default"
    """The name of the window at which its windowed events are sent."""
    active: bool = True
    resume: Resume = Resume.BACKLOG
    order: Order = Order.ACCOUNT
    max_in_flight: int = 16
    max_events: int = 100
    """Events in one delivery, at most."""
    max_bytes: int = 1024 * 1024
    """Bytes of events in one delivery, at most; a single larger event still goes alone."""
    queue_events: int = 1000
    """Unsettled events a lane holds in memory, at most."""
    queue_bytes: int = 4 * 1024 * 1024
    retry: RetryPolicy = RetryPolicy()
