"""What is asked of the daemon in these runs? Event names, accounts, and subscriptions as the harness understands them.

A Spec says of itself which events it wants, in plain Python: the checker must not ask the code it judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

ACCOUNTS = 12
LEARNERS = 7
REAL_TIME = ("COURSE_COMPLETED", "COURSE_ENROLLMENT", "LEARNING_PATH_COMPLETED")
WINDOWED = ("COURSE_COMPLETED_BATCH", "LEARNER_PROGRESS")
NAMES = (*REAL_TIME, *WINDOWED)
SHIFTING = "LEARNING_PATH_COMPLETED"
"""The name whose cadence changes."""
WINDOWS = {"default": 6, "quick": 3, "slow": 12}
"""Name -> every so many seconds."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Event(NamedTuple):
    """What a subscription may look at."""

    account: int
    name: str
    learner: int
    level: int


@dataclass(frozen=True)
class Spec:
    """One subscription."""

    id: str
    account: int | None = None
    """None: every account."""
    events: tuple[str, ...] = ("*",)
    at_least: int | None = None
    """The filter: `data.level` of 0 to 9 is no less."""
    window: str = "default"
    order: str = "account"
    active: bool = True
    present: bool = True
    """False: removed from the files. What it is owed is kept, so it goes on wanting."""
    signed: bool = False
    max_events: int = 100
    eager: bool = False
    """Tried again sooner than by default: what it refuses, it has to refuse three times."""

    def wants(self, event: Event) -> bool:
        """Whether the event is owed to it."""
        return (
            self.account in (None, event.account)
            and any(fnmatchcase(event.name, pattern) for pattern in self.events)
            and (self.at_least is None or event.level >= self.at_least)
        )

    def key(self, account: int, learner: int) -> tuple[int, ...]:
        """Within what its order is kept."""
        return (account, learner) if self.order == "learner" else (account,)

    def entry(self, url: str, sender: str) -> dict[str, Any]:
        """As an entry of subscriptions/*.yaml; `sender` tells the instance's lives apart."""
        entry: dict[str, Any] = {
            "id": self.id, "account": "*" if self.account is None else str(self.account), "events": list(self.events),
            "url": url, "window": self.window, "order": self.order, "active": self.active,
            "max_events": self.max_events, "headers": {"x-sender": sender},
            "timeouts": {"connect": "1s", "total": f"{TIMEOUT:.0f}s"},
            "retry": {"initial": "500ms" if self.eager else "5s", "ceiling": "20s"},
        }  # fmt: skip
        if self.at_least is not None:
            entry["filter"] = {"data.level": {"gte": self.at_least}}
        if self.signed:
            entry["auth"] = {"signature": {"secrets": [{"env": "SECRET"}]}}
        return entry


TIMEOUT = 3.0
"""Seconds a POST may take."""

CHANGING = Spec("changing", events=("COURSE_*",))
SPECS = (
    Spec("healthy", account=1, signed=True, max_events=10),
    Spec("half-dead", account=2, max_events=30),
    Spec("slow", account=3),
    Spec("every"),
    Spec("learner", events=("LEARNING_PATH_*", "LEARNER_PROGRESS"), window="quick", order="learner"),
    Spec("strict", account=5, eager=True),
    CHANGING,
)
CHANGES = (
    ("events", lambda spec: replace(spec, events=("COURSE_*", "LEARNING_PATH_*", "LEARNER_PROGRESS"))),
    ("events back", lambda spec: replace(spec, events=("COURSE_*",))),
    ("filter", lambda spec: replace(spec, at_least=5)),
    ("filter off", lambda spec: replace(spec, at_least=None)),
    ("window slow", lambda spec: replace(spec, window="slow")),
    ("window quick", lambda spec: replace(spec, window="quick")),
    ("paused", lambda spec: replace(spec, active=False)),
    ("removed", lambda spec: replace(spec, present=False)),
)
"""What may happen to CHANGING; a pause or a removal is undone some seconds later."""


@dataclass(frozen=True)
class Version:
    """What the files say, from a time on."""

    specs: tuple[Spec, ...]
    shifted: bool = False
    """Whether SHIFTING is windowed."""

    def cadences(self) -> dict[str, str]:
        """As in daemon.yaml."""
        return {SHIFTING: "windowed"} if self.shifted else {}

    def with_spec(self, spec: Spec) -> Version:
        """With another entry of the same id."""
        return replace(self, specs=tuple(spec if one.id == spec.id else one for one in self.specs))

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Version:
        """The reverse of `asdict`, after a way through JSON."""
        return cls(tuple(Spec(**{**one, "events": tuple(one["events"])}) for one in said["specs"]), said["shifted"])

    def find(self, name: str) -> Spec:
        """The entry of an id."""
        return next(one for one in self.specs if one.id == name)
