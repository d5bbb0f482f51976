"""What must be durable before the offset may move? The checkpoint of one owned partition.

begin      target = the feed's read position when the checkpoint before began (R1), or as far as all is settled;
           everything below it that is not settled gets a record in the same write, the partition record first (R8)
landed     the follower has read the write's last entry back, no other claim before it (R3): now the target is
           committed, or becomes the window's `done`
unknown    a write that failed or timed out: all its keys are written again, whatever memory believes (R4)

Between checkpoints `commits.advance` commits what needs no write.
"""

from __future__ import annotations

from collections.abc import Mapping

from lmshooks.core import commits
from lmshooks.core.commands import WriteState
from lmshooks.core.facts import Stalled, WindowClosed
from lmshooks.core.lane_records import record_of
from lmshooks.core.lanes import Lane
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.positions import Position, start_of
from lmshooks.core.records import (
    DROPPED,
    Kind,
    RosterEntry,
    WindowRecord,
    encode_roster,
    parse_key,
    roster_digest,
    roster_key,
    window_key,
)
from lmshooks.core.store import Flight, Recorded, needs_record
from lmshooks.core.sweeping import closed

TOMBSTONES = 100
"""Real tombstones in one checkpoint, at most."""


def due(own: Ownership) -> float:
    """When may the next checkpoint begin? At once where something waits to be durable."""
    limits = own.context.limits
    urgent = own.urgent or not own.ready or own.hurried
    return own.checkpointed_at + (limits.checkpoint_pause if urgent else limits.checkpoint_interval)


def look(own: Ownership, now: float) -> None:
    """Begin a checkpoint if one is due, give one up whose fate is unknown."""
    store = own.store
    flight = store.flight
    if flight is not None:
        late = flight.begun_at + own.context.limits.write_timeout
        if now >= late:
            unknown(own, now)
        else:
            own.context.wake_at(late)
        return
    if own.committing is not None and now < own.committing + own.context.limits.write_timeout:
        return  # one checkpoint after the other: what the next one may drop hangs on this commit (R2, law 9)
    if own.state is State.RELEASING:
        quiet = not any(lane.out for lane in own.lanes.values())
        if not own.clean and (quiet or own.hurried):
            if now >= own.checkpointed_at:  # one that failed makes the next one wait
                begin(own, now, final=True)
            else:
                own.context.wake_at(own.checkpointed_at)
    elif own.state is State.RUNNING and own.dirty:
        _work(own, now)


def _work(own: Ownership, now: float) -> None:
    """The checkpoint that is due; else a commit, which costs no write. Where much is settled that the last one did not
    cover, or there is none to make, a checkpoint is due at once."""
    exposure, much = own.exposure, own.much
    soon = own.checkpointed_at + (0.0 if exposure.waits else own.context.limits.checkpoint_pause)
    when = due(own)
    if exposure.left >= much:
        when = min(when, soon)
    if now < when and own.ready and not own.urgent:
        if now >= commits.due(own):
            if commits.advance(own, now):
                return
            if exposure.events >= much:
                when = min(when, soon)
        own.context.wake_at(commits.due(own))
    if now >= when:
        begin(own, now)
    else:
        own.context.wake_at(when)


def begin(own: Ownership, now: float, final: bool = False) -> None:
    """Compose the write: everything that the target leaves behind is in it."""
    store, context = own.store, own.context
    target = own.position[0] if final else _target(own)
    marks = {name: (window.read if final else window.target) for name, window in own.windows.items()}
    ends = {name: mark[0] for name, mark in marks.items()}
    own.next_target = own.position[0]
    for window in own.windows.values():
        window.target = window.read
    own.checkpointed_at = now
    own.urgent = False
    wanted, contents = _lanes(own, target, marks, now, final)
    whole = len(wanted) <= context.limits.checkpoint_records
    target, unsaid = _cut(own, wanted, target, ends)
    digest, roster = _roster(own, unsaid)
    contents |= {key: recorded for _, key, recorded in wanted}
    contents |= _windows(own, ends, now)
    closings = {name: window.closing for name, window in own.windows.items() if window.closing}
    part = commits.part_of(own, digest, target)
    void = context.ledger.void.get(own.partition, {})
    for key in void:
        if key not in contents and key != store.part_key():
            contents[key] = store.recorded.get(key)
    if own.ready and not contents and not void and not store.must_write_part(part, now, exact=final):
        behind = target < own.position[0] or any(ends[name] < window.read[0] for name, window in own.windows.items())
        own.dirty = behind or target > store.acknowledged  # what this commit lets go, the next checkpoint drops
        own.clean = final
        if not own.dirty and own.exposure.events:
            own.exposure.accept()
            context.wake_at(now)
        commits.reach(own, target, now, now, 0)
        return
    everything = {store.part_key(): Recorded(part.encode(), now, part=part), **contents}
    entries = store.compose((key, one.content if one else DROPPED) for key, one in everything.items())
    if digest not in context.ledger.rosters:
        entries.insert(0, (roster_key(digest), roster))
    last_key = entries[-1][0]
    entries[1:1] = [(key, None) for key in _tombstones(own, everything, now) if key != roster_key(digest)]
    write = WriteState((own, own.tenure), own.partition, tuple(entries))
    store.flight = Flight(
        write, (store.tenure, store.sequence), last_key, everything, target, ends, closings,
        tuple(lane for lane, _, _ in wanted), len(own.epochs), now, final and whole,
    )  # fmt: skip
    context.commands.append(write)
    own.exposure.order(now)
    context.wake_at(now + context.limits.write_timeout)


def _target(own: Ownership) -> int:
    """R1's, or as far as it can be put without one record more.

    Never below what the group was told: whoever has settled less than that needs its record, however long it has it.
    """
    mark, feed = min(start_of(max(own.next_target, own.told)), own.position), own.position
    return max(mark[0], commits.settled_below(own, lambda lane: needs_record(lane, mark, feed)))


def _lanes(
    own: Ownership, target: int, marks: Mapping[str, Position], now: float, final: bool
) -> tuple[list[tuple[Lane, bytes, Recorded]], dict[bytes, Recorded | None]]:
    """The lanes whose records must be written, with them; and the keys of the records that go.

    A record that need not be there, and may not go yet, is left as it is until it may; the last one to come says that
    the lane owes nothing any more.
    """
    store = own.store
    wanted: list[tuple[Lane, bytes, Recorded]] = []
    gone: dict[bytes, Recorded | None] = {}
    living: set[bytes] = set()
    for lane in list(own.lanes.values()):
        feed = own.feed_of(lane)
        mark = start_of(target) if lane.kind is Kind.REAL_TIME else marks.get(lane.subscription.window, feed)
        edge = start_of(mark[0])
        key = store.lane_key(lane.kind, lane.subscription.id)
        living.add(key)
        needed = _inside(mark, feed) or needs_record(lane, edge, feed) or store.knows_beyond(key, edge)
        if needed or (not _let_go(own, lane, key, edge, feed, gone) and (final or key in store.unknown)):
            record = record_of(lane, feed)
            content = record.encode()
            if not lane.durable or store.must_write(key, content, record, now):
                wanted.append((lane, key, Recorded(content, now, record)))
    for key in (store.recorded.keys() | store.unknown) - living:
        parsed = parse_key(key)
        if parsed and parsed.what == "lane" and (parsed.name, parsed.kind) not in own.lanes:
            gone[key] = None
    return wanted, gone


def _inside(mark: Position, feed: Position) -> bool:
    """A window's feed may wait inside a record, at whose beginning a restart reads on: all its lanes say where they
    stand, as long as it waits there, and once more when it has gone on."""
    return mark[1] > 0 or (feed[1] > 0 and mark[0] == feed[0])


def _windows(own: Ownership, ends: Mapping[str, int], now: float) -> dict[bytes, Recorded]:
    """The windows' records that the log does not hold yet."""
    written = {}
    for name, window in own.windows.items():
        to, closed_at = window.closing or (window.to, window.durable_close)
        content = WindowRecord(ends[name], to, closed_at).encode()
        key = window_key(own.partition, name)
        if own.store.must_write(key, content, None, now):
            written[key] = Recorded(content, now)
    return written


def _let_go(
    own: Ownership, lane: Lane, key: bytes, edge: Position, feed: Position, gone: dict[bytes, Recorded | None]
) -> bool:
    """A lane that needs no record: drop the one there is if R2 allows; forget the lane if nothing is known of it.

    Whether the log's word on the lane is settled by this.
    """
    store = own.store
    recorded = store.recorded.get(key)
    if recorded is not None or key in store.unknown:
        window = own.windows.get(lane.subscription.window)
        durable = store.acknowledged if lane.kind is Kind.REAL_TIME or window is None else window.done
        if recorded is None or recorded.lane is None or store.may_drop(lane, recorded.lane, edge, feed, durable):
            gone[key] = None
            return True
        return False
    if lane.idle and not lane.failures and not lane.blocked and feed[1] == 0:  # inside a record it may have taken some
        lane.alive = False
        own.lanes.pop(lane.identity, None)
    return True


def _roster(own: Ownership, unsaid: Mapping[str, RosterEntry]) -> tuple[str, bytes]:
    """The roster that the partition record names, with its digest.

    Of whom it knows, and the files of the next owner do not, that one makes an orphan. So it keeps those whose orphans'
    records are left out of this write: the one that is applied may still do, until all are written.
    """
    context = own.context
    if not unsaid:
        return context.roster_digest, context.roster_bytes
    applied = context.ledger.applied.get(own.partition, "")
    known = context.ledger.rosters.get(applied, {})
    if unsaid.keys() <= known.keys() and context.roster.items() <= known.items():
        return applied, b""
    encoded = encode_roster({**unsaid, **context.roster})
    return roster_digest(encoded), encoded


def _cut(
    own: Ownership, wanted: list[tuple[Lane, bytes, Recorded]], target: int, ends: dict[str, int]
) -> tuple[int, dict[str, RosterEntry]]:
    """At most so many records a checkpoint, oldest heads first: the target is lowered to the oldest head left out.

    The target, and the subscriptions of which an orphan is left out.
    """
    most = own.context.limits.checkpoint_records
    if len(wanted) <= most:
        return target, {}
    wanted.sort(key=_head_of)
    for one in wanted[most:]:
        lane, head = one[0], _head_of(one)
        if lane.kind is Kind.REAL_TIME:
            target = min(target, head[0])
        elif lane.subscription.window in ends:
            ends[lane.subscription.window] = min(ends[lane.subscription.window], head[0])
    unsaid = {
        lane.subscription.id: RosterEntry(lane.subscription.window, skips=False)
        for lane, _, _ in wanted[most:]
        if lane.orphan_since is not None
    }
    del wanted[most:]
    own.urgent = True
    return max(target, min(own.told, own.position[0])), unsaid


def _head_of(wanted: tuple[Lane, bytes, Recorded]) -> Position:
    record = wanted[2].lane
    assert record is not None
    return record.head


def _tombstones(own: Ownership, writing: dict[bytes, Recorded | None], now: float) -> list[bytes]:
    """Keys whose `dropped` value is older than the compaction lag: a real tombstone may follow."""
    lag = own.context.limits.compaction_lag
    found = []
    for key, accepted in own.context.ledger.values.get(own.partition, {}).items():
        if accepted.dropped and key not in writing and now - accepted.written_at > lag:
            found.append(key)
            if len(found) >= TOMBSTONES:
                break
    idle = own.context.ledger.idle_rosters(now - lag)
    return found + [roster_key(digest) for digest in idle if digest != own.context.roster_digest]


def unknown(own: Ownership, now: float) -> None:
    """R4: the write failed or was not confirmed in time; it may yet land."""
    store = own.store
    if store.flight is None:
        return
    store.lost(store.flight)
    store.flight = None
    own.dirty = True
    own.urgent = True
    own.clean = False
    own.context.facts.append(Stalled(own.partition, "write"))
    limits = own.context.limits
    own.checkpointed_at = now + (limits.checkpoint_pause if own.hurried else limits.checkpoint_interval)
    own.context.wake_at(own.checkpointed_at)


def _covers(own: Ownership, flight: Flight, lane: Lane, offset: int, before: bool) -> bool:
    """Whether a write that landed says what the lane has settled."""
    if before and flight.contents.get(own.store.lane_key(lane.kind, lane.subscription.id)) is not None:
        return True
    return commits.said(own, lane, offset)


def landed(own: Ownership, offset: int, now: float) -> None:
    """R3: the write is read back. What waited for it acts, and the target is committed."""
    store = own.store
    flight = store.flight
    assert flight is not None
    store.landed(flight)
    store.flight = None
    own.ready = True
    own.back_off = 1.0
    for lane in flight.lives:
        if lane.alive and not lane.durable:
            lane.durable = lane.identity not in own.ending
        own.to_send[lane] = None
    for name, end in flight.windows.items():
        window = own.windows.get(name)
        if window is None:
            continue
        window.done = max(window.done, end)
        closing = flight.closings.get(name)
        if closing is not None and window.closing == closing:
            window.to, window.closed_at = closing
            window.durable_close = window.closed_at
            window.closing = None
            window.next_look = 0.0
            own.context.facts.append(WindowClosed(name, own.partition, window.read[0], window.to, window.closed_at))
        closed(own, window, now)
    own.durable_epochs = max(own.durable_epochs, min(flight.epochs, len(own.epochs)))
    own.exposure.confirm(now, lambda *settled: _covers(own, flight, *settled))
    for lane in own.lanes.values():
        if lane.durable and not lane.out:
            own.to_send[lane] = None
    own.clean = flight.final and not own.exposure.grew
    store.written = offset
    commits.reach(own, flight.target, flight.begun_at, now, len(flight.contents))
