"""Which configuration is in force now, and what is owed under it? Asked of a daemon, or read from the state topic.

A daemon knows all but the secrets. The state topic knows which subscriptions there are, their windows, which of them
skip what comes, and the cadences; and for every partition, not for one instance's alone, what is owed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lmshooks.cli import settings
from lmshooks.cli.amounts import many
from lmshooks.cli.asking import Unreachable, ask
from lmshooks.core.comparing import Outline
from lmshooks.core.durations import spell

if TYPE_CHECKING:
    from lmshooks.adapters.kafka_client import KafkaSettings
    from lmshooks.core.commands import Entry

_PATIENCE = 30.0
"""Seconds for reading the state topic to its end."""


class Owed(NamedTuple):
    """What one subscription is owed, as far as its source knows."""

    events: int
    """Those that are known, in memory or by their positions."""
    records: int
    """Records of the log that were not yet looked at for it: what is its own of them comes on top."""
    oldest_age: float | None
    """Seconds since the oldest of it was written."""
    state: str = "active"

    def __str__(self) -> str:
        if not (self.events or self.records):
            return "nothing is known to be owed"
        parts = [many(self.events, "event")] if self.events else []
        parts += [f"what is its own of {many(self.records, 'log record')}"] if self.records else []
        oldest = f", the oldest {spell(self.oldest_age)} old" if self.oldest_age is not None else ""
        return f"owed: {' and '.join(parts)}{oldest}"


class Applied(NamedTuple):
    """What is in force."""

    outline: Outline
    owed: Mapping[str, Owed] | None
    """By id; None where this source knows nothing of it."""
    source: str
    """For people: where that is from."""
    note: str = ""
    """What this source cannot tell."""


def of_daemon(url: str) -> Applied:
    """What the daemon at `url` applies. Raises Unreachable."""
    told = ask(url, "/configuration", "subscriptions")
    status = ask(url, "/status", "subscriptions")
    known = Outline(told["version"], told["subscriptions"], told["windows"], told["cadences"])
    owed = {
        each["id"]: Owed(each["owed"], each["unseen"], each["oldest_owed_age"], each["state"])
        for each in status["subscriptions"]
    }
    return Applied(
        known,
        owed,
        f"the daemon at {url} ({status['instance']}, configuration {known.version})",
        "what is owed is told for the partitions of this instance alone: --state tells it for all",
    )


def of_state(kafka: KafkaSettings, now: float) -> Applied:
    """What the state topic says was applied last. Raises Unreachable."""
    entries = asyncio.run(_entries(kafka))
    return from_entries(entries, now, kafka.state_topic)


def from_entries(entries: Sequence[Entry], now: float, topic: str) -> Applied:
    """What the entries of a state topic, in order, say."""
    import orjson

    from lmshooks.core.ledger import Ledger
    from lmshooks.core.records import Kind, LaneRecord, PartRecord, WindowRecord, parse_key

    ledger = Ledger()
    for entry in entries:
        ledger.apply(entry)
    newest: tuple[float, PartRecord | None] = (0.0, None)
    owed: dict[str, Owed] = {}
    for partition in ledger.values:
        part: PartRecord | None = None
        lanes: list[tuple[str, Kind | None, LaneRecord]] = []
        closed: dict[str, int] = {}
        for raw, accepted in ledger.live(partition):
            key = parse_key(raw)
            if key is None:
                continue
            if key.what == "part":
                part = PartRecord.decode(orjson.loads(accepted.value))
                newest = max(newest, (accepted.written_at, part), key=lambda pair: pair[0])
            elif key.what == "lane":
                lanes.append((key.name, key.kind, LaneRecord.decode(orjson.loads(accepted.value))))
            elif key.what == "window":
                closed[key.name] = WindowRecord.decode(orjson.loads(accepted.value)).done
        if part is None:
            continue
        roster = ledger.rosters.get(part.roster, {})
        for name, kind, lane in lanes:
            before = owed.get(name, Owed(0, 0, None))
            events = len(lane.owed) + sum(len(one.members) for one in lane.pending)
            ages = [age for age in (before.oldest_age, lane.head_at and now - lane.head_at) if age is not None]
            # What a window has not closed over is not owed yet.
            window = roster[name].window if name in roster else ""
            feed = closed.get(window, 0) if kind is Kind.WINDOWED else part.committed
            seen, index = min([lane.horizon, *(place for _, place in lane.held)])
            behind = max(0, feed - seen - (index > 0))
            state = f"suspended: {ledger.suspensions[name]}" if name in ledger.suspensions else "active"
            owed[name] = Owed(before.events + events, before.records + behind, max(ages, default=None), state)
    part_record = newest[1]
    if part_record is None:
        raise Unreachable(f"{topic} holds no partition's record: no daemon has run on it yet")
    roster = ledger.rosters.get(part_record.roster, {})
    subscriptions = {
        name: {"window": entry.window} | ({"active": False, "resume": "now"} if entry.skips else {})
        for name, entry in roster.items()
    }
    cadences = dict(part_record.epochs[-1][1]) if part_record.epochs else {}
    note = (
        "the state topic knows ids, windows and cadences: changes of urls, events and filters are not seen, "
        "nor is one that is switched off and holds what comes"
    )
    return Applied(Outline("", subscriptions, {}, cadences), owed, f"the state topic {topic}", note)


async def _entries(kafka: KafkaSettings) -> list[Entry]:
    from aiokafka.errors import KafkaError

    from lmshooks.adapters.kafka_client import connected_admin
    from lmshooks.adapters.state import StateTopic

    settings.quiet()
    topic = StateTopic(kafka)
    try:
        async with asyncio.timeout(_PATIENCE):
            # Asking for a topic that is not there would make it, on brokers that make topics by themselves.
            admin = await connected_admin(kafka)
            try:
                known = await admin.list_topics()
            finally:
                await admin.close()
            if kafka.state_topic not in known:
                raise Unreachable(
                    f"there is no topic {kafka.state_topic} in {kafka.bootstrap_servers}: did a daemon run?"
                )
            return await topic.start()
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unreachable(
            settings.judge(error, kafka.state_topic, {"bootstrap_servers": kafka.bootstrap_servers})[1]
        ) from error
    finally:
        await topic.stop()
