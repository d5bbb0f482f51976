"""Why does a subscription get an event, or why not? The decisions of routing and filters, one by one, in words.

The machine decides by an index and does not say why; this takes the same steps for one event (a test holds the two
together).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from lmshooks.core.catalogue import Cadence, cadence_of
from lmshooks.core.configuration import Configuration
from lmshooks.core.context import skips
from lmshooks.core.events import Event
from lmshooks.core.filters import Compiled
from lmshooks.core.routing import EVERY_ACCOUNT, pattern_of
from lmshooks.core.subscriptions import Subscription


class Fate(StrEnum):
    """What becomes of an event for one subscription?"""

    SENT = "sent"
    """At once, or when its window closes."""
    HELD = "held"
    """It is owed, and the subscription is switched off."""
    SKIPPED = "skipped"
    """Wanted, but switched off with `resume: now`: it is not owed."""
    UNNAMED = "unnamed"
    """Its `events` do not name it."""
    FILTERED = "filtered"
    """Its filter does not let it pass."""


class Explanation(NamedTuple):
    """One subscription of the event's account (or of every account), and why."""

    subscription: Subscription
    fate: Fate
    why: str
    """For people: a sentence without its end."""
    closes_at: float | None
    """When its window closes next, for a windowed event that is owed; seconds since the epoch."""

    @property
    def wanted(self) -> bool:
        """Whether it is owed."""
        return self.fate in (Fate.SENT, Fate.HELD)


def explain(configuration: Configuration, event: Event, parsed: Mapping[str, Any], now: float) -> list[Explanation]:
    """Every subscription that is asked for this event, in the order of the files; those of other accounts are not."""
    asked = [one for one in configuration.subscriptions.values() if one.account in (event.account, EVERY_ACCOUNT)]
    return [_explain(configuration, one, event, parsed, now) for one in asked]


def _explain(
    configuration: Configuration, one: Subscription, event: Event, parsed: Mapping[str, Any], now: float
) -> Explanation:
    matching = next((name for name in one.events if name == event.name or pattern_of(name).match(event.name)), None)
    if matching is None:
        return Explanation(one, Fate.UNNAMED, f"its events do not name {event.name}: {', '.join(one.events)}", None)
    if one.filter is not None and not one.filter(parsed):
        return Explanation(one, Fate.FILTERED, _clause(one, parsed), None)
    if skips(one):
        return Explanation(one, Fate.SKIPPED, "it is switched off, and resume: now owes it nothing meanwhile", None)
    named = f"its events name {matching}" + (" and its filter passes" if one.filter is not None else "")
    closes_at = None
    when = "sent at once"
    if cadence_of(event.name, configuration.cadences) is Cadence.WINDOWED:
        closes_at = configuration.windows[one.window].next_close(now)
        when = f"sent when window {one.window} closes"
    if not one.active:
        return Explanation(one, Fate.HELD, f"{named}; it is switched off: held until it is switched on", closes_at)
    return Explanation(one, Fate.SENT, f"{named}; {when}", closes_at)


def _clause(one: Subscription, parsed: Mapping[str, Any]) -> str:
    """The clause that does not hold, and what the event has in its place."""
    if not isinstance(one.filter, Compiled):
        return "its filter does not let it pass"
    text = one.filter.explain(parsed) or ""
    path = text.partition(": ")[0]
    if path in ("any", "not"):
        return f"its filter fails at {text}"
    found: Any = parsed
    for key in path.split("."):
        if not isinstance(found, dict) or key not in found:
            return f"its filter fails at {text}: the event has no {path}"
        found = found[key]
    return f"its filter fails at {text}: the event has {_shown(found)}"


def _shown(value: Any) -> str:
    """A JSON value as it is written, cut where it is long."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
