"""Where does a new tenure go on? The claim is read back, and with it everything that the state topic says.

A record always wins over the committed offset; where the recorded configuration is another than ours, taking over is a
reload at the committed position (R11).
"""

from __future__ import annotations

import orjson

from lmshooks.core import letters
from lmshooks.core.commands import Start
from lmshooks.core.facts import Claimed, Expired, Skipped, StateLost, WindowClosed
from lmshooks.core.feeds import WindowFeed
from lmshooks.core.ownership import METADATA, Ownership, State
from lmshooks.core.positions import start_of
from lmshooks.core.records import Kind, LaneRecord, PartRecord, WindowRecord, parse_key
from lmshooks.core.store import Store


def take_over(own: Ownership, tenure: int, now: float) -> None:
    """The claim is read back, and with it everything before it: go on where the log says."""
    context = own.context
    own.tenure = tenure
    own.claim_write = None
    expected = int(own.metadata[len(METADATA) :]) if own.metadata.startswith(METADATA) else -1
    if tenure < expected:
        own.state = State.LOST
        context.facts.append(StateLost(own.partition, expected, tenure))
        return
    part, lanes, windows = _read_state(own)
    offset = own.given
    if offset is None:
        offset = part.committed if part else own.start
    elif part and offset > part.committed:
        context.facts.append(Skipped(own.partition, part.committed, offset))
    if offset < own.log_start:
        context.facts.append(Expired(None, own.partition, offset, own.log_start))
        offset = own.log_start
    own.position = start_of(offset)
    own.next_target = offset
    own.store.acknowledged = own.given if own.given is not None else -1
    own.state = State.RUNNING
    own.epochs = list(part.epochs) if part else [(0, context.overrides)]
    own.durable_epochs = len(part.epochs) if part else 0
    for name, window in windows.items():
        own.windows[name] = WindowFeed(name, window.done, window.to, window.closed_at)
        if window.done < window.to:
            closed = WindowClosed(name, own.partition, window.done, window.to, window.closed_at)
            context.facts.append(closed)
    own.see_windows(now)
    for (name, kind), record in lanes.items():
        _restore(own, name, kind, record, now)
    if part:
        _compare(own, part, offset, now)
        for letter in part.letters:
            letters.reread(own, letter)
    context.facts.append(Claimed(own.partition, tenure, offset, len(lanes)))
    context.commands.append(Start(own.partition, offset))
    own.hold(False)  # what held the feed in the tenure before holds it no more
    own.see_epoch(now)


def _read_state(
    own: Ownership,
) -> tuple[PartRecord | None, dict[tuple[str, Kind], LaneRecord], dict[str, WindowRecord]]:
    own.store = Store(own.partition, own.tenure, 0)
    part = None
    lanes: dict[tuple[str, Kind], LaneRecord] = {}
    windows: dict[str, WindowRecord] = {}
    for raw, accepted in own.context.ledger.live(own.partition):
        key = parse_key(raw)
        value = orjson.loads(accepted.value)
        lane = None
        if key is None:
            continue
        if key.what == "part":
            part = PartRecord.decode(value)
        elif key.what == "lane" and key.kind is not None:
            lane = lanes[key.name, key.kind] = LaneRecord.decode(value)
        elif key.what == "window":
            windows[key.name] = WindowRecord.decode(value)
        own.store.adopt(raw, accepted, lane)
    return part, lanes, windows


def _restore(own: Ownership, name: str, kind: Kind, record: LaneRecord, now: float) -> None:
    lane = own.make(name, kind, record.head)
    lane.restore(record)
    if lane.subscription.id not in own.context.configuration.subscriptions and lane.orphan_since is None:
        own.orphan(lane, now)
    elif lane.subscription.id in own.context.configuration.subscriptions:
        lane.orphan_since = None
    own.settle_place(lane)


def _compare(own: Ownership, part: PartRecord, committed: int, now: float) -> None:
    """R11: taking over with another configuration than the recorded one is a reload at the committed position."""
    context = own.context
    if part.roster == context.roster_digest:
        return
    old = context.ledger.rosters.get(part.roster, {})
    for name, was in old.items():
        done = own.windows[was.window].done if was.window in own.windows else committed
        now_is = context.roster.get(name)
        if now_is is None:
            for kind, offset in ((Kind.REAL_TIME, committed), (Kind.WINDOWED, done)):
                if (name, kind) not in own.lanes:
                    own.orphan(own.place(name, kind, start_of(offset)), now)
        elif (name, Kind.WINDOWED) not in own.lanes and was.skips and not now_is.skips:
            own.place(name, Kind.WINDOWED, start_of(max(committed, done)))
        elif (name, Kind.WINDOWED) not in own.lanes and now_is.window != was.window:
            own.place(name, Kind.WINDOWED, start_of(done))
    for name, now_is in context.roster.items():
        if name not in old and (name, Kind.WINDOWED) not in own.lanes:
            own.place(name, Kind.WINDOWED, start_of(max(committed, own.windows[now_is.window].done)))
