"""Who wants events of this name, of this account? An index over the subscriptions' accounts and patterns.

    (account, name) ─┬─> exact names of the account      a dictionary     \\
                     ├─> globs of the account            a few patterns    > in the subscriptions' own order
                     ├─> exact names of every account    a dictionary     /
                     └─> globs of every account          distinct ones    /

An answer is remembered, so what it costs to find it is paid once an account and name, and the number of other
accounts' subscriptions does not enter into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

from lmshooks.core.subscriptions import Subscription

EVERY_ACCOUNT = "*"

_Ranked = tuple[int, Subscription]
"""A subscription with its place among all."""


@lru_cache(maxsize=10_000)
def pattern_of(glob: str) -> re.Pattern[str]:
    """A glob (`COURSE_*`, `?`, `[...]`) as a pattern that matches whole names, letter case included."""
    return re.compile(translate(glob))


def is_glob(name: str) -> bool:
    """Whether an entry of `events` is a pattern and not a name."""
    return "*" in name or "?" in name or "[" in name


class _Names:
    """The subscriptions of one account, or those of every account."""

    __slots__ = ("exact", "globs")

    def __init__(self) -> None:
        self.exact: dict[str, list[_Ranked]] = {}
        self.globs: dict[str, list[_Ranked]] = {}

    def add(self, ranked: _Ranked) -> None:
        for name in ranked[1].events:
            (self.globs if is_glob(name) else self.exact).setdefault(name, []).append(ranked)

    def find(self, name: str, found: dict[int, Subscription]) -> None:
        found.update(self.exact.get(name, ()))
        for glob, ranked in self.globs.items():
            if pattern_of(glob).match(name):
                found.update(ranked)


class Index:
    """The subscriptions, by account and event name. It never changes: a reload makes another."""

    __slots__ = ("_accounts", "_every", "_same", "of_every_account", "remembered")

    REMEMBERED = 50_000
    """Answers, at most. Beyond that all are forgotten: rare, cheaper and fairer than bookkeeping on every event."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self._accounts: dict[str, _Names] = {}
        self._every = _Names()
        self.remembered: dict[tuple[str, str], tuple[Subscription, ...]] = {}
        """(account, name) -> what `match` answered."""
        self._same: dict[tuple[int, ...], tuple[Subscription, ...]] = {}
        for ranked in enumerate(subscriptions):
            account = ranked[1].account
            if account == EVERY_ACCOUNT:
                self._every.add(ranked)
                continue
            names = self._accounts.get(account)
            if names is None:
                names = self._accounts[account] = _Names()
            names.add(ranked)
        self.of_every_account = bool(self._every.exact or self._every.globs)
        """Whether any subscription names all accounts."""

    def match(self, account: str, name: str) -> tuple[Subscription, ...]:
        """Every subscription, active or not, that names the account (or all) and the event; filters not applied.

        In the order in which they were given, each once; equal answers are one object.
        """
        key = (account, name)
        known = self.remembered.get(key)
        if known is None:
            found: dict[int, Subscription] = {}
            names = self._accounts.get(account)
            if names is not None:
                names.find(name, found)
            self._every.find(name, found)
            places = tuple(sorted(found))
            if len(self.remembered) >= self.REMEMBERED:
                self.remembered.clear()
                self._same.clear()
            known = self._same.setdefault(places, tuple(found[place] for place in places))
            self.remembered[key] = known
        return known
