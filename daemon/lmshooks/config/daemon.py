"""What does daemon.yaml say? The settings of the process, and the windows and cadences that subscriptions rely on.

Each field is a setting: its kind, its default, and below it what it does. Durations are in seconds, sizes in bytes.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import ConfigDict, Field, model_validator

from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.config.address import HOST, PORT
from lmshooks.config.kafka import Kafka
from lmshooks.config.kinds import DAY, Kind, Listed, OneOrMore, choice, duration, flag, member, size, text, whole
from lmshooks.config.mistakes import Wrong, did_you_mean
from lmshooks.config.outline import Section
from lmshooks.core.catalogue import CATALOGUE, Cadence
from lmshooks.core.configuration import Limits, Schedule
from lmshooks.core.subscriptions import Endpoint, Subscription
from lmshooks.core.windows import parse_schedule

_LIMITS, _ONE = Limits(), Subscription("", "", (), Endpoint(""))
NAME = text("a name of letters, digits, dots and dashes, at most 100", shape=r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
EVENT = text("an event's name, or a glob such as COURSE_*", shape=r"[A-Za-z0-9_.:*?\[\]!-]{1,200}")
"""The schema also has the catalogue's names, so that an editor can complete them."""
EVENT = replace(EVENT, schema={"type": "string", "anyOf": [{"enum": list(CATALOGUE)}, EVENT.schema]})


def _network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(value if isinstance(value, str) else "", strict=False))
    except ValueError:
        raise Wrong("a network such as 10.0.0.0/8") from None


def _zone(value: Any) -> str:
    try:
        return ZoneInfo(value if isinstance(value, str) else "").key
    except (KeyError, ValueError, OSError):
        raise Wrong("a time zone such as Europe/Berlin", hint=did_you_mean(value, available_timezones())) from None


def _clock(value: Any) -> str:
    try:
        parse_schedule(at=value if isinstance(value, str) else "")
    except ValueError:
        raise Wrong("a time of day as HH:MM or HH:MM:SS, such as 02:00") from None
    return str(value)


def _cron(value: Any) -> str:
    expected = "a cron expression of five fields, such as 0 2 * * *"
    found = str(text(expected).read(value))
    try:
        parse_schedule(cron=found)
    except ValueError as why:
        reason = str(why).partition(", expected ")[0].partition(repr(found))[2].strip(": ")
        raise Wrong(
            expected, f"{found!r}, which {reason}" if reason.startswith("has") else f"{found!r} ({reason})"
        ) from None
    return found


class Admin(Section):
    """Where health, status and metrics are served. There is no authentication: keep the port inside."""

    host: Annotated[str, text("a host name or an address")] = HOST
    """The address to listen at."""
    port: Annotated[int, whole(0, 65535)] = PORT
    """The port; 0 takes a free one."""


class Egress(Section):
    """Where deliveries may go. Addresses that are not globally routable are refused unless they are named here."""

    allow_http: Annotated[bool, flag()] = False
    """Whether endpoints may be plain http."""
    allow_networks: Annotated[
        tuple[Annotated[str, Kind("a network such as 10.0.0.0/8", _network, {"type": "string"})], ...],
        Listed("a list of networks such as 10.0.0.0/8"),
    ] = ()
    """Networks of your own that deliveries may reach."""


class Bounds(Section):
    """How much the daemon does at once, holds, and writes."""

    posts: Annotated[int, whole()] = _LIMITS.posts
    """Requests of healthy lanes in flight, at most."""
    failing_posts: Annotated[int, whole()] = _LIMITS.failing_posts
    """Requests of failing lanes in flight, at most: a pool of their own."""
    memory: Annotated[int, size()] = _LIMITS.memory
    """Events held in memory, at most."""
    event_bytes: Annotated[int, size()] = _LIMITS.event_bytes
    """A larger event is a dead letter."""
    queue_events: Annotated[int, whole()] = _ONE.queue_events
    """Events a lane holds in memory before it is left behind."""
    queue_bytes: Annotated[int, size()] = _ONE.queue_bytes
    """The same, in bytes."""
    subscriptions_per_account: Annotated[int, whole()] = 5
    """Subscriptions of one account, at most; five, as ALM."""
    checkpoint_interval: Annotated[float, duration()] = _LIMITS.checkpoint_interval
    """Between checkpoints when little happens."""
    commit_interval: Annotated[float, duration()] = _LIMITS.commit_interval
    """Between commits that need no write of state."""
    checkpoint_pause: Annotated[float, duration()] = _LIMITS.checkpoint_pause
    """Between checkpoints, at least."""
    checkpoint_events: Annotated[int, whole()] = _LIMITS.checkpoint_events
    """Settled events of a partition that bring a commit, or a checkpoint, on; at least one a lane. Posts wait where
    some times as many are settled: twice at first, more while Kafka confirms soon."""
    checkpoint_records: Annotated[int, whole()] = _LIMITS.checkpoint_records
    """State records in one checkpoint, at most."""
    write_timeout: Annotated[float, duration()] = _LIMITS.write_timeout
    """When a write to Kafka that was not confirmed counts as unknown."""
    unconfirmed: Annotated[float, duration()] = _LIMITS.unconfirmed
    """How long a partition's posts go on while Kafka confirms no write and no commit of it; a tenth of it with more
    than checkpoint_events settled."""
    compaction_lag: Annotated[float, duration()] = _LIMITS.compaction_lag
    """The state topic's min.compaction.lag.ms; longer than a partition may go without an owner."""
    pending_letters: Annotated[int, whole()] = _LIMITS.pending_letters
    """Unwritten dead letters of a partition before its feed pauses."""

    def limits(self) -> Limits:
        """As the machine takes them."""
        return Limits(**{each.name: getattr(self, each.name) for each in fields(Limits)})


class Logs(Section):
    """What is logged, on stderr."""

    level: Annotated[str, choice("debug", "info", "warning", "error")] = "info"
    """The least that is logged."""
    format: Annotated[str, choice("json", "console")] = "json"
    """For programs or for people."""


class Window(Section):
    """When windowed events are sent: one of every, at and cron."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in ("every", "at", "cron")]})

    every: Annotated[float | None, duration(1.0, 366 * DAY)] = None
    """At a fixed interval, aligned to the local clock. The window `default` is every 15m unless it is given."""
    at: Annotated[
        tuple[
            Annotated[str, Kind("a time of day", _clock, {"type": "string", "pattern": r"^\d\d:\d\d(:\d\d)?$"})], ...
        ],
        OneOrMore("a time of day such as 02:00, or a list of them"),
    ] = Field(default=(), min_length=1)
    """At these local times, every day."""
    cron: Annotated[str | None, Kind("a cron expression", _cron, {"type": "string", "examples": ["0 2 * * *"]})] = None
    """At the local times that a cron expression of five fields names."""
    timezone: Annotated[str, Kind("a time zone", _zone, {"type": "string", "examples": ["Europe/Berlin"]})] = "UTC"
    """Whose clock it is."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.schedule()
        return self

    def schedule(self) -> Schedule:
        """As the machine takes it."""
        return parse_schedule(every=self.every, at=self.at or None, cron=self.cron, timezone=self.timezone)


class Daemon(Section):
    """daemon.yaml: the process. A change needs a restart, but for windows, cadences and orphan_grace."""

    kafka: Kafka
    """Where events come from, and where positions are kept."""
    admin: Admin = Admin()
    """Health, status and metrics."""
    egress: Egress = Egress()
    """Where deliveries may go."""
    limits: Bounds = Bounds()
    """Bounds."""
    windows: Annotated[
        dict[Annotated[str, NAME], Window], Listed("a mapping of a window's name to every, at or cron")
    ] = Field(default_factory=dict)
    """When windowed events are sent, by a name of your choice."""
    cadences: Annotated[
        dict[Annotated[str, EVENT], Annotated[Cadence, member(Cadence)]],
        Listed("a mapping of an event's name, or a glob, to real-time or windowed"),
    ] = Field(default_factory=dict)
    """Event names and globs that are real-time or windowed otherwise than in the catalogue."""
    orphan_grace: Annotated[float, duration(0.001, 366 * DAY)] = 3600.0
    """How long what a removed subscription is owed is kept; longer than a rolling deploy."""
    drain_timeout: Annotated[float, duration(0.001, 3600.0)] = 20.0
    """How long a stop waits for requests in flight."""
    logs: Logs = Logs()
    """Logs."""

    def settings(self) -> DaemonSettings:
        """As the daemon takes them."""
        return DaemonSettings(
            self.kafka.settings(), self.admin, self.egress, self.limits.limits(), self.logs, self.drain_timeout
        )


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What only a restart changes. Durations in seconds."""

    kafka: KafkaSettings
    admin: Admin
    egress: Egress
    limits: Limits
    logs: Logs
    drain_timeout: float
