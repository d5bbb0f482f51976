"""What does a file of subscriptions/ say? Each entry is who gets what: checked here, and made the core's Subscription.

Each field is a setting: its kind, its default, and below it what it does. Durations are in seconds, sizes in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from lmshooks.config.authentication import Auth, OrNone
from lmshooks.config.conditions import conditions
from lmshooks.config.daemon import EVENT, NAME, Bounds
from lmshooks.config.kinds import (
    Kind,
    Listed,
    duration,
    flag,
    member,
    quoting,
    share,
    size,
    text,
    whole,
    write_duration,
)
from lmshooks.config.mistakes import Wrong, did_you_mean
from lmshooks.config.outline import Section
from lmshooks.config.places import KEY
from lmshooks.config.reading import Reading
from lmshooks.config.secrets import SCHEMA as REFERENCE
from lmshooks.config.secrets import referred
from lmshooks.core.catalogue import CATALOGUE
from lmshooks.core.filters import Compiled
from lmshooks.core.subscriptions import (
    Endpoint,
    Order,
    Resume,
    RetryPolicy,
    Subscription,
)

_ENDPOINT, _RETRY = Endpoint(""), RetryPolicy()
_ONE = Subscription("", "", (), _ENDPOINT)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset(("content-type", "content-length", "host", "transfer-encoding", "connection"))
_HEADER_VALUE = "one line of text, {env: NAME} or {file: PATH}"
_WINDOW = "the name of a window of daemon.yaml"
_USUAL_URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,4})?(?:[/?][!-\"$-~]*)?")
"""Right without a closer look: most of a hundred thousand are."""
_URL = "a URL such as https://example.com/hook"


def _account(value: Any) -> str:
    # As it is written: an account is an identifier, even if it is all digits.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise Wrong("an account's id, or '*' for every account")
    return value.strip()


def _url(value: Any, reading: Reading) -> str:
    """A URL may carry a token: what is told of it never holds more than its kind."""
    if not isinstance(value, str):
        raise Wrong(_URL)
    if _USUAL_URL.fullmatch(value):
        return value
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Wrong(_URL, "a broken URL") from None
    if parts.username is not None or parts.password is not None:
        raise Wrong("one without", "a URL with a user in it", "give the user as auth: {basic: ...}")
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x20]", value):
        raise Wrong(_URL, "text that is no such URL")
    if parts.scheme == "http" and not reading.allow_http:
        raise Wrong("https", "an http URL", "egress.allow_http: true in daemon.yaml allows it")
    if parts.fragment:
        raise Wrong("one without", "a URL with a fragment (#...)", "listeners never see fragments")
    return value


def _header(value: Any) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise Wrong("the name of a header: letters, digits and dashes")
    if value.lower() in _OURS or value.lower().startswith("webhook-"):
        raise Wrong("another header", "a header that lmshooks sets itself")
    return value


def _header_value(value: Any, reading: Reading) -> str:
    if isinstance(value, dict):
        return referred(value, reading)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Wrong(_HEADER_VALUE, hint=quoting(value))
    return value


def _window(value: Any, reading: Reading) -> str:
    if reading.windows is None:
        return str(text(_WINDOW).read(value))
    if not isinstance(value, str) or value not in reading.windows:
        known = ", ".join(sorted(reading.windows))
        raise Wrong(f"one of the windows of daemon.yaml ({known})", hint=did_you_mean(value, reading.windows))
    return value


class Timeouts(Section):
    """How long an endpoint is waited for."""

    connect: Annotated[float, duration(0.001, 300.0)] = _ENDPOINT.connect_timeout
    """For the connection, TLS included."""
    total: Annotated[float, duration(0.001, 600.0)] = _ENDPOINT.total_timeout
    """For the whole attempt, the connection included."""


class Tls(Section):
    """How an endpoint's certificate is checked, and which one it is shown."""

    ca_file: Annotated[str | None, text("a path")] = None
    """A PEM file of the authorities that may have signed it, instead of the system's."""
    cert_file: Annotated[str | None, text("a path")] = None
    """A PEM file of our own certificate, where the endpoint asks for one (mTLS)."""
    key_file: Annotated[str | None, text("a path")] = None
    """The key of that certificate; needless where it is in the same file."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise Wrong("cert_file beside it", "a key without a certificate", at=("key_file",))
        return self


class Retry(Section):
    """When a failed delivery is tried again."""

    initial: Annotated[float, duration()] = _RETRY.initial
    """The wait before the second attempt; it doubles."""
    ceiling: Annotated[float, duration()] = _RETRY.ceiling
    """The longest wait."""
    horizon: Annotated[float, duration()] = _RETRY.horizon
    """After so long with nothing but failure the subscription is suspended."""
    jitter: Annotated[float, share()] = _RETRY.jitter
    """The share of each wait that is drawn at random."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ceiling < self.initial:
            where = "ceiling" if "ceiling" in self.model_fields_set else "initial"
            ceiling, initial = write_duration(self.ceiling), write_duration(self.initial)
            raise Wrong("a ceiling that is not", f"a ceiling ({ceiling}) shorter than initial ({initial})", at=(where,))
        return self


class Entry(Section):
    """One subscription: who gets which events, where, and in what manner."""

    id: Annotated[str, NAME]
    """Its name for ever: what it is owed hangs on it."""
    account: Annotated[
        str,
        Kind("an account's id, or '*' for every account", _account, {"type": ["string", "integer"], "minLength": 1}),
    ]
    """An account's id, or "*" for every account."""
    events: Annotated[
        tuple[Annotated[str, EVENT], ...],
        Field(min_length=1),
        Listed("a list of event names and globs such as COURSE_*"),
    ]
    """Event names, globs among them (COURSE_*)."""
    url: Annotated[
        str, Kind(_URL, _url, {"type": "string", "pattern": "^https?://[^\\s#]+$"}, secret=True, informed=True)
    ] = Field(repr=False)
    """Where its deliveries are posted; https, unless egress.allow_http is true."""
    auth: Annotated[Auth | None, OrNone("none, or a mapping of basic, bearer or signature")] = None
    """How the listener knows who posts."""
    headers: Annotated[
        dict[
            Annotated[str, Kind("the name of a header", _header, {"type": "string", "pattern": _TOKEN.pattern})],
            Annotated[
                str,
                Kind(
                    _HEADER_VALUE,
                    _header_value,
                    {"anyOf": [{"type": "string", "minLength": 1}, REFERENCE]},
                    secret=True,
                    informed=True,
                ),
            ],
        ],
        Listed("a mapping of headers to text"),
    ] = Field(default_factory=dict, repr=False)
    """More headers of each request."""
    timeouts: Timeouts = Timeouts()
    """Time-outs of one attempt."""
    tls: Tls = Tls()
    """How the endpoint's certificate is checked."""
    filter: Annotated[Compiled | None, conditions()] = None
    """Conditions on fields of the event; all must hold."""
    window: Annotated[str, Kind(_WINDOW, _window, {"type": "string", "minLength": 1}, informed=True)] = _ONE.window
    """The window that its windowed events wait for."""
    active: Annotated[bool, flag()] = _ONE.active
    """Whether it is switched on. While it is off, what comes is held as long as the log holds it."""
    resume: Annotated[Resume, member(Resume)] = _ONE.resume
    """What becomes of what is owed when it is switched off: backlog holds it, now gives it up."""
    order: Annotated[Order, member(Order)] = _ONE.order
    """Within what order is kept: account, learner or none."""
    max_in_flight: Annotated[int, whole(1, 1000)] = _ONE.max_in_flight
    """Deliveries of a lane out at once, at most, one a key: two at first, more while they are answered."""
    max_events: Annotated[int, whole(1, 10_000)] = _ONE.max_events
    """Events in one delivery."""
    max_bytes: Annotated[int, size()] = _ONE.max_bytes
    """Bytes of events in one delivery; a larger event goes alone."""
    retry: Retry = Retry()
    """When a failed delivery is tried again."""
    name: Annotated[str, text(longest=200)] = _ONE.name
    """For people."""
    description: Annotated[str, text(longest=140)] = _ONE.description
    """For people; at most 140 characters, as ALM."""

    @model_validator(mode="after")
    def _one_authorization(self) -> Self:
        for name in self.headers if self.auth else ():
            if name.lower() == "authorization":
                raise Wrong("one of the two", "this header beside auth", at=("headers", name, KEY))
        return self

    def value(self, bounds: Bounds, reading: Reading) -> Subscription:
        """As the core has it. What entries have in common is one value."""
        endpoint = Endpoint(
            url=self.url,
            auth=reading.share(self.auth.value()) if self.auth else None,
            headers=reading.share(tuple(self.headers.items())),
            connect_timeout=self.timeouts.connect,
            total_timeout=self.timeouts.total,
            ca_file=self.tls.ca_file,
            cert_file=self.tls.cert_file,
            key_file=self.tls.key_file,
        )
        retry = self.retry
        return Subscription(
            id=self.id,
            account=self.account,
            events=reading.share(self.events),
            endpoint=endpoint,
            name=self.name,
            description=self.description,
            filter=self.filter,
            window=reading.share(self.window),
            active=self.active,
            resume=self.resume,
            order=self.order,
            max_in_flight=self.max_in_flight,
            max_events=self.max_events,
            max_bytes=self.max_bytes,
            queue_events=bounds.queue_events,
            queue_bytes=bounds.queue_bytes,
            retry=reading.share(RetryPolicy(retry.initial, retry.ceiling, retry.horizon, retry.jitter)),
        )

    def doubts(self) -> Iterator[tuple[int, str]]:
        """Names of events that are close to one of the catalogue, but not it: where in the list, and what to think."""
        for number, name in enumerate(self.events):
            if (
                name not in CATALOGUE
                and not any(letter in name for letter in "*?[")
                and (hint := did_you_mean(name, CATALOGUE))
            ):
                yield number, f"{name} is not in the catalogue; {hint}"


class Subscriptions(Section):
    """A file of subscriptions/: who gets what. A change is taken at once."""

    subscriptions: Annotated[tuple[Entry, ...], Listed("a list of subscriptions")]
    """The subscriptions; an empty list says that there are none."""
