"""What do the parts of the machine share? The configuration, the ledger, the way out for commands and facts."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

from lmshooks.core.catalogue import Cadence
from lmshooks.core.commands import Command
from lmshooks.core.concurrency import Endpoints
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.facts import Fact
from lmshooks.core.ledger import Ledger
from lmshooks.core.records import Kind, RosterEntry, encode_roster, roster_digest
from lmshooks.core.routing import Index
from lmshooks.core.subscriptions import Resume, Subscription

KIND_OF = {Cadence.REAL_TIME: Kind.REAL_TIME, Cadence.WINDOWED: Kind.WINDOWED}


class Context:
    """Shared by the dispatcher and the partitions it owns."""

    def __init__(self, instance: str, configuration: Configuration, limits: Limits) -> None:
        self.instance = instance
        self.limits = limits
        self.ledger = Ledger()
        self.commands: list[Command] = []
        self.facts: list[Fact] = []
        self.memory = 0
        """Bytes of events held in lanes."""
        self.short = False
        """Whether that is too much: nothing new is taken in until half of the limit is free."""
        self.silence = inf
        """Seconds without news of the state topic's end after which nothing is posted: it may be another's by then."""
        self.known_at = 0.0
        """The end of the state topic, as it was then or later, has been read."""
        self.endpoints = Endpoints()
        self._wakeups: list[float] = []
        self._planned: set[float] = set()
        """What is in them: the same moment is asked for again and again."""
        self.configuration = configuration
        self.use(configuration)

    def use(self, configuration: Configuration) -> None:
        """Another configuration is in force from now on."""
        self.configuration = configuration
        self.endpoints.keep(configuration.subscriptions)
        self.window_accounts: dict[str, set[str]] = {}
        """Whose windowed events a window's feed may have to send."""
        for one in configuration.subscriptions.values():
            self.window_accounts.setdefault(one.window, set()).add(one.account)
        self.index = Index(configuration.subscriptions.values())
        self.overrides = {name: str(cadence) for name, cadence in configuration.cadences.items()}
        self.roster = {one.id: RosterEntry(one.window, skips(one)) for one in configuration.subscriptions.values()}
        self.roster_bytes = encode_roster(self.roster)
        self.roster_digest = roster_digest(self.roster_bytes)

    def blocked(self, subscription_id: str) -> bool:
        """Whether a subscription sends nothing now: suspended, inactive, or in no file."""
        subscription = self.configuration.subscriptions.get(subscription_id)
        return subscription is None or not subscription.active or subscription_id in self.ledger.suspensions

    def wake_at(self, when: float) -> None:
        """Something is to be looked at again then."""
        if when not in self._planned:
            self._planned.add(when)
            heappush(self._wakeups, when)

    def woken(self, now: float) -> None:
        """Forget the wake-ups that are past."""
        while self._wakeups and self._wakeups[0] <= now:
            self._planned.discard(heappop(self._wakeups))

    def next_wakeup(self) -> float | None:
        """The earliest moment at which something is due."""
        return self._wakeups[0] if self._wakeups else None


def skips(subscription: Subscription) -> bool:
    """Whether what comes meanwhile is not owed: switched off with `resume: now`."""
    return not subscription.active and subscription.resume is Resume.NOW
