"""What would the daemon make of these records? Each event, or why it is none; who would get it; what is doubtful.

The reading is the daemon's own (`core/events.py`), and so is the routing. What is doubtful is carried all the same: a
name that looks misspelt, members of `data` that ALM's samples have, an id that comes twice.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from lmshooks.cli.amounts import many
from lmshooks.cli.subject import MISSPELT, Record
from lmshooks.cli.terminal import plain
from lmshooks.contracts.shapes import MEMBERS
from lmshooks.core.catalogue import Cadences
from lmshooks.core.configuration import Limits
from lmshooks.core.context import skips
from lmshooks.core.events import Event, parse
from lmshooks.core.routing import Index

if TYPE_CHECKING:
    from lmshooks.config import Loaded

REMEMBERED = 1_000_000
"""Event ids that are compared, at most."""


class Finding(NamedTuple):
    """One event of a record, good or bad."""

    line: int
    """Where its record begins, from 1."""
    place: int
    """Which event of the record it is, from 0."""
    event: Event | None
    """None for a dead letter."""
    cadence: str
    why: str
    """Why it is a dead letter: the reason, then what was found and what was expected."""
    receivers: tuple[str, ...] | None
    """Subscriptions that it would be sent to, `(held)` behind those that are switched off; None without files."""
    doubts: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        told: dict[str, Any] = {"line": self.line, "index": self.place, "good": self.event is not None}
        if self.event is None:
            return told | {"why": self.why}
        told |= {"accountId": self.event.account, "eventName": self.event.name, "eventId": self.event.id}
        told |= {"cadence": self.cadence, "doubts": list(self.doubts)}
        return told if self.receivers is None else told | {"receivers": list(self.receivers)}


def values_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The records of a file, each with its line: one a line, or the whole where no line is an object by itself."""
    lines = [(number, value) for number, line in enumerate(content.split(b"\n"), 1) if (value := line.strip())]
    if len(lines) > 1 and not any(_is_object(value) for _, value in lines):
        yield lines[0][0], content.strip()
    else:
        yield from lines


def _is_object(value: bytes) -> bool:
    try:
        return value.startswith(b"{") and isinstance(orjson.loads(value), dict)
    except orjson.JSONDecodeError:
        return False


class Check:
    """Looks at records one after another. With `loaded`, also at who wants them."""

    def __init__(self, loaded: Loaded | None) -> None:
        self._limit = (loaded.daemon.limits if loaded else Limits()).event_bytes
        self._cadences = Cadences(loaded.configuration.cadences if loaded else {})
        self._index = None if loaded is None else Index(loaded.configuration.subscriptions.values())
        self._seen: dict[tuple[str, str], int] = {}

    def look(self, line: int, value: bytes) -> list[Finding]:
        """What becomes of one record, in the order of its events."""
        record: Any = Record(line, int(time.time() * 1000), value)
        good, bad = parse(record, self._limit)
        found = [Finding(line, index, None, "", f"{reason}: {why}", None, ()) for index, reason, why in bad]
        for event, parsed in good:
            cadence = str(self._cadences.of(event.name))
            receivers = self._receivers(event, parsed)
            found.append(Finding(line, event.position[1], event, cadence, "", receivers, self._doubts(event, parsed)))
        return sorted(found, key=lambda each: each.place)

    def _receivers(self, event: Event, parsed: Mapping[str, Any]) -> tuple[str, ...] | None:
        if self._index is None:
            return None
        wanted = (
            one
            for one in self._index.match(event.account, event.name)
            if not skips(one) and (one.filter is None or one.filter(parsed))
        )
        return tuple(one.id if one.active else f"{one.id} (held)" for one in wanted)

    def _doubts(self, event: Event, parsed: Mapping[str, Any]) -> tuple[str, ...]:
        doubts = []
        members = MEMBERS.get(event.name)
        if members is None:
            if near := difflib.get_close_matches(event.name, MEMBERS, 1, MISSPELT):
                doubts.append(f"{event.name} is none of ALM's names (did you mean {near[0]}?)")
        elif missing := [name for name in members if name not in parsed["data"]]:
            doubts.append(f"data has no {', '.join(missing)}, which ALM's samples have")
        first = self._seen.get((event.account, event.id))
        if first is not None:
            doubts.append(f"eventId {event.id} again, first in line {first}: listeners take it for the same event")
        elif len(self._seen) < REMEMBERED:
            self._seen[event.account, event.id] = event.position[0]
        return tuple(doubts)


class Totals:
    """What was found in all."""

    def __init__(self) -> None:
        self.records = self.events = self.dead_letters = self.doubtful = self.unwanted = 0

    def add(self, findings: Sequence[Finding]) -> None:
        self.records += 1
        for each in findings:
            self.events += each.event is not None
            self.dead_letters += each.event is None
            self.doubtful += bool(each.doubts)
            self.unwanted += each.receivers == ()

    def line(self, routed: bool) -> str:
        """One line for people."""
        said = [
            f"{many(self.events, 'event')} in {many(self.records, 'record')}",
            many(self.dead_letters, "dead letter"),
            f"{self.doubtful} doubtful",
        ]
        if routed:
            said.append(f"{self.unwanted} that nobody gets")
        return ", ".join(said)


def show(findings: Sequence[Finding], routed: bool) -> None:
    """A table, with what is wrong in it."""
    from rich.text import Text

    from lmshooks.cli.tables import console, put, table

    to_whom = ("who gets it",) if routed else ()
    rows = []
    for each in findings:
        line = str(each.line) if each.place == 0 else f"{each.line}, event {each.place}"
        if each.event is None:
            cells = [line, "", "dead letter", "", "", *("" for _ in to_whom), each.why]
        else:
            event = each.event
            when = "at once" if each.cadence == "real-time" else "windowed"
            to = [", ".join(each.receivers or ()) or "nobody"] if routed else []
            cells = [line, event.account, event.name, when, event.id, *to, "; ".join(each.doubts)]
        style = "bold red" if each.event is None else "yellow" if each.doubts else ""
        # Ids and names come from the file: they must not steer the terminal.
        rows.append([Text(plain(cell), style=style) for cell in cells])
    columns = ("line", "account", "event", "sent", "eventId", *to_whom, "what is wrong")
    put(console(), table(columns, rows, numbers=("line",)))
