"""How far do windows reach? Law 11: no event is sent before its window closes, and a range only ever grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import orjson

from lmshooks.core import facts as said
from lmshooks.core.positions import Partition
from lmshooks.core.records import parse_key
from tests.laws.logs import Fact, SourceLog
from tests.laws.violation import Violation


class Ranges:
    """The windows of a run, as the state topic tells of them."""

    def __init__(self, sources: Mapping[Partition, SourceLog]) -> None:
        self.sources = sources
        self.windows: dict[tuple[str, Partition], list[said.WindowClosed]] = defaultdict(list)
        self.ends: dict[tuple[str, Partition], int] = {}
        """How far a window's range reaches, as far as the state topic ever said."""
        self.one_clock = True
        """Whether all clocks agree: else a close says nothing of the order in which closes were decided."""

    def landed(self, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        """A state write landed: the ends of windows in it are durable."""
        for raw, value in entries:
            key = parse_key(raw)
            if value is not None and key is not None and key.what == "window" and key.partition is not None:
                end = orjson.loads(value).get("to", 0)
                self.ends[key.name, key.partition] = max(end, self.ends.get((key.name, key.partition), 0))

    def closed(self, fact: said.WindowClosed) -> None:
        """A window's end became durable."""
        if fact.end > self.sources[fact.partition].end:
            raise Violation("11", f"a window ends past the log: {fact}")
        closes = self.windows[fact.window, fact.partition]
        for other in closes:
            if other.closed_at == fact.closed_at and other.end != fact.end:
                raise Violation("11", f"one close, two ends: {other} {fact}")
            if (other.closed_at < fact.closed_at and other.end > fact.end) or (
                other.closed_at > fact.closed_at and other.end < fact.end
            ):
                raise Violation("11", f"a window's range shrank: {other} {fact}")
        if self.one_clock:
            closes.append(fact)

    def sent(self, name: str, fact: Fact, windows: set[str]) -> None:
        """A subscription, which has waited for these windows, is sent a windowed event."""
        if not any(self.ends.get((window, fact.partition), 0) > fact.position[0] for window in windows):
            raise Violation("11", f"{name} is sent {fact.id} before its window closed")
