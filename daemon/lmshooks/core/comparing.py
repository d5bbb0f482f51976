"""What would another configuration do? Two outlines, compared: the plan that a reload logs and `lmshooks plan` shows.

An outline is a configuration as text, without its secrets: a URL is its host and a fingerprint, credentials are a
fingerprint. So it may leave the process (`GET /configuration`), and a change of a secret is still seen. A fingerprint
is 16 bits on purpose: enough to see a change, too little to try guesses of a weak password against it. Two secrets in
65,536 look alike; the version, a digest over everything, still differs then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lmshooks.core.configuration import Configuration, Schedule
from lmshooks.core.filters import Compiled
from lmshooks.core.subscriptions import Endpoint, Resume, Subscription
from lmshooks.core.windows import At, Cron, Every

ENDPOINT_FIELDS = tuple(field.name for field in fields(Endpoint) if field.init)
ENDPOINT = frozenset(ENDPOINT_FIELDS)
"""The fields of an outline that are the endpoint's: a change of these alone touches no lane."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A configuration as text: nothing in it is secret, all of it is JSON."""

    version: str
    subscriptions: Mapping[str, Mapping[str, Any]]
    """Id -> field -> value. One that was made from less than the files may lack fields: they are not compared."""
    windows: Mapping[str, str]
    cadences: Mapping[str, str]


class Changed(NamedTuple):
    """A subscription that is in both, and differs."""

    id: str
    fields: tuple[str, ...]
    """Those that differ; none where the difference is one that outlines do not show."""

    @property
    def endpoint_only(self) -> bool:
        """Whether nothing of what it gets or when it gets it changes."""
        return bool(self.fields) and ENDPOINT.issuperset(self.fields)


class Turned(NamedTuple):
    """Something with a name that was one thing and is another; None where it was, or is, not there."""

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.name}: {self.old or 'none'} -> {self.new or 'none'}"


class Plan(NamedTuple):
    """What a change of configuration does. Ids, in the order of their files."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    activated: tuple[str, ...] = ()
    """Switched on; of the changed ones, as are those below."""
    retired: tuple[str, ...] = ()
    """Switched off."""
    given_up: tuple[str, ...] = ()
    """Switched off with `resume: now`: what they are owed is given up."""
    moved: tuple[Turned, ...] = ()
    """To another window."""
    windows: tuple[Turned, ...] = ()
    """Schedules that are new, gone, or another."""
    cadences: tuple[Turned, ...] = ()
    """Overrides that are new, gone, or another."""

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not any(self)


def outline_of(configuration: Configuration) -> Outline:
    """The configuration as text."""
    return Outline(
        configuration.version,
        {name: outline(one) for name, one in configuration.subscriptions.items()},
        {name: spoken(schedule) for name, schedule in configuration.windows.items()},
        {name: str(cadence) for name, cadence in configuration.cadences.items()},
    )


def outline(subscription: Subscription) -> dict[str, Any]:
    """One subscription as text: its fields and its endpoint's, side by side."""
    told = {
        field.name: _open(getattr(subscription, field.name))
        for field in fields(subscription)
        if field.name not in ("id", "endpoint")
    }
    endpoint = subscription.endpoint
    for field in (field for field in fields(endpoint) if field.init):
        value = getattr(endpoint, field.name)
        if field.name == "url":
            parts = urlsplit(value)
            told["url"] = f"{parts.scheme}://{parts.hostname}/... ({fingerprint(value)})"
        elif field.name == "auth":
            told["auth"] = (
                f"{type(value).__name__.removesuffix('Auth').lower()} ({fingerprint(value)})" if value else ""
            )
        elif field.repr:
            told[field.name] = _open(value)
        else:
            told[field.name] = fingerprint(value) if value else ""
    return told


def compare(old: Outline, new: Outline, touched: Collection[str] = ()) -> Plan:
    """What becomes of each subscription. `touched` are known to differ, whatever their outlines say."""
    before, after = old.subscriptions, new.subscriptions
    changed = []
    for name, now in after.items():
        was = before.get(name)
        if was is not None:
            differing = tuple(field for field in now if field in was and was[field] != now[field])
            if differing or name in touched:
                changed.append(Changed(name, differing))
    both = [name for name in after if name in before]
    given_up = dict.fromkeys(name for name in both if _skips(after[name]) and not _skips(before[name]))
    return Plan(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(changed),
        tuple(name for name in both if after[name]["active"] and before[name].get("active") is False),
        tuple(name for name in both if not after[name]["active"] and (before[name].get("active") or name in given_up)),
        tuple(given_up),
        tuple(
            Turned(name, before[name]["window"], after[name]["window"])
            for name in both
            if before[name]["window"] != after[name]["window"]
        ),
        _turned(old.windows, new.windows),
        _turned(old.cadences, new.cadences),
    )


def planned(old: Configuration, new: Configuration) -> Plan:
    """What the change from one configuration to another does; costs no more than what differs.

    It is between values, not between texts: a reload of a hundred thousand must not wait for texts that nobody reads.
    """
    one, other = old.subscriptions, new.subscriptions
    touched = {name for name, now in other.items() if name not in one or one[name] != now}
    touched.update(name for name in one if name not in other)
    return compare(_bare(old, touched), _bare(new, touched), touched)


def spoken(schedule: Schedule) -> str:
    """A schedule as its file says it."""
    match schedule:
        case Every():
            return f"every {schedule.seconds:g} s ({schedule.tz})"
        case At():
            return f"at {', '.join(time.isoformat('auto') for time in schedule.times)} ({schedule.tz})"
        case Cron():
            return f"cron {schedule.expression} ({schedule.tz})"
        case _:
            return repr(schedule)


def fingerprint(value: object) -> str:
    """Four hex digits of what must not be shown."""
    return blake2b(_whole(value).encode(), digest_size=2).hexdigest()


_OWN = tuple(field.name for field in fields(Subscription) if field.name not in ("id", "endpoint"))


def _bare(configuration: Configuration, only: Collection[str]) -> Outline:
    """An outline whose fields are the values themselves: for comparing, not for showing."""
    return Outline(
        configuration.version,
        {
            name: {field: getattr(one, field) for field in _OWN}
            | {field: getattr(one.endpoint, field) for field in ENDPOINT_FIELDS}
            for name, one in configuration.subscriptions.items()
            if name in only
        },
        {name: spoken(schedule) for name, schedule in configuration.windows.items()},
        {name: str(cadence) for name, cadence in configuration.cadences.items()},
    )


def _skips(outlined: Mapping[str, Any]) -> bool:
    return outlined.get("active") is False and outlined.get("resume") == str(Resume.NOW)


def _turned(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Turned, ...]:
    names = dict.fromkeys((*new, *old))
    return tuple(Turned(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _open(value: Any) -> Any:
    """A value that is no secret, as JSON has it."""
    if isinstance(value, Compiled):
        return value.source
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, tuple):
        return [_open(one) for one in value]
    if is_dataclass(value):
        return {field.name: _open(getattr(value, field.name)) for field in fields(value) if field.repr}
    return value if value is None or isinstance(value, str | int | float) else repr(value)


def _whole(value: object) -> str:
    """Every field of a value, those that `repr` leaves out too."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = ",".join(f"{field.name}={_whole(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__}({inner})"
    return repr(value)
