"""What is configured? Random subscriptions, and what one version of the files changes against the one before."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from lmshooks.core.catalogue import Cadence
from lmshooks.core.configuration import Configuration
from lmshooks.core.subscriptions import Endpoint, Order, Resume, RetryPolicy, Subscription
from tests.laws.logs import Fact

LIVE = ("COURSE_ENROLLMENT", "COURSE_COMPLETED")
WINDOWED = ("LEARNER_PROGRESS", "COURSE_ENROLLMENT_BATCH")
NAMES = LIVE + WINDOWED
ACCOUNTS = ("1", "2")
FOREVER = 1e9


@dataclass(frozen=True)
class Every:
    """A window that closes every so many seconds."""

    seconds: float

    def last_close(self, now: float) -> float:
        return now // self.seconds * self.seconds

    def next_close(self, now: float) -> float:
        return (now // self.seconds + 1) * self.seconds


@dataclass(frozen=True)
class Modulo:
    """A filter: drops every third event."""

    rest: int

    def __call__(self, event: Mapping[str, Any]) -> bool:
        return int(event["data"]["n"]) % 3 != self.rest


WINDOWS = {"default": Every(15), "slow": Every(40)}


def cadence(configuration: Configuration, name: str) -> Cadence:
    """When is an event of this name sent?"""
    plain = Cadence.REAL_TIME if name in LIVE else Cadence.WINDOWED
    return Cadence(configuration.cadences.get(name, plain))


def wants(subscription: Subscription, fact: Fact) -> bool:
    """Whether the subscription is owed the event."""
    return (
        subscription.account in ("*", fact.account)
        and any(fnmatchcase(fact.name, wanted) for wanted in subscription.events)
        and (subscription.filter is None or subscription.filter({"data": {"n": fact.number}}))
    )


def subscription(rng: random.Random, name: str, horizon: float) -> Subscription:
    """One entry with caps small enough to be reached."""
    return Subscription(
        id=name,
        account=rng.choice(("1", "2", "*", "*")),
        events=rng.choice((("*",), ("*",), (LIVE[0], WINDOWED[0]), LIVE, WINDOWED, ("COURSE_*",))),
        endpoint=Endpoint(f"https://{name}.example/hook"),
        filter=Modulo(0) if rng.random() < 0.2 else None,
        window=rng.choice(("default", "default", "slow")),
        order=rng.choice((Order.ACCOUNT, Order.ACCOUNT, Order.LEARNER, Order.NONE)),
        max_in_flight=rng.randint(1, 3),
        max_events=rng.randint(1, 3),
        queue_events=4,
        retry=RetryPolicy(1.0, 40.0 if rng.random() < 0.5 else 8.0, horizon, rng.choice((0.0, 0.2, 1.0))),
    )


def first(rng: random.Random, count: int, grace: float, horizon: float) -> Configuration:
    """The configuration that everybody starts with."""
    subscriptions = {name: subscription(rng, name, horizon) for name in [f"s{number}" for number in range(count)]}
    return Configuration(subscriptions, WINDOWS, {}, grace, "v0")


def changed(rng: random.Random, before: Configuration, what: str, earlier: list[Configuration]) -> Configuration:
    """The next version: `what` is add, remove, back, filter, order, window, cadence, pause, activate or retire."""
    subscriptions = dict(before.subscriptions)
    cadences = dict(before.cadences)
    name = rng.choice(sorted(subscriptions)) if subscriptions else ""
    if what == "add":
        fresh = f"s{len(earlier)}new"
        horizon = next((one.retry.horizon for one in subscriptions.values()), FOREVER)
        subscriptions[fresh] = subscription(rng, fresh, horizon)
    elif what == "back":
        gone = {key: one for version in earlier for key, one in version.subscriptions.items()}
        for key in [key for key in gone if key not in subscriptions][:1]:
            subscriptions[key] = replace(gone[key], active=True)
    elif what == "remove" and len(subscriptions) > 1:
        del subscriptions[name]
    elif what == "cadence":
        event = rng.choice(NAMES)
        flipped = Cadence.WINDOWED if cadence(before, event) is Cadence.REAL_TIME else Cadence.REAL_TIME
        cadences[event] = flipped
    elif name:
        one = subscriptions[name]
        if what == "filter":
            one = replace(one, filter=rng.choice((None, Modulo(0), Modulo(1))))
        elif what == "window":
            one = replace(one, window="slow" if one.window == "default" else "default")
        elif what == "order":
            one = replace(one, order=rng.choice(tuple(Order)))
        elif what == "pause":
            one = replace(one, active=False, resume=Resume.BACKLOG)
        elif what == "retire":
            one = replace(one, active=False, resume=Resume.NOW)
        elif what == "activate":
            subscriptions = {key: replace(each, active=True) for key, each in subscriptions.items()}
            one = subscriptions[name]
        subscriptions[name] = one
    return replace(before, subscriptions=subscriptions, cadences=cadences, version=f"v{len(earlier)}")


def healed(before: Configuration, version: int) -> Configuration:
    """The last version: everything is on."""
    subscriptions = {key: replace(each, active=True) for key, each in before.subscriptions.items()}
    return replace(before, subscriptions=subscriptions, version=f"v{version}")


def gives_up(subscription: Subscription) -> bool:
    """Whether it is switched off without keeping what is owed."""
    return not subscription.active and subscription.resume is Resume.NOW


def key_of(subscription: Subscription, fact: Fact) -> str:
    """Within what is order kept?"""
    if subscription.order is Order.NONE:
        return fact.id
    return f"{fact.account}/{fact.learner}" if subscription.order is Order.LEARNER else fact.account
