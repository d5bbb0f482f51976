"""Where does a new tenure go on? The claim is read back, and with it everything that the state topic says.

A record always wins over the committed offset; where the recorded configuration is another than ours, taking over is a
reload at the committed position (R11). A partition that nobody ever had was added to its topic: what the records of the
others know of subscriptions that are in no file holds there, too, from its beginning.

A record that cannot be read holds its partition, and no other: what it said is unknown, and going on could lose it. The
partition is claimed again as soon as the record is written anew or removed.
"""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core import checkpoint, letters
from lmshooks.core.commands import Start
from lmshooks.core.facts import Claimed, Expired, Skipped, StateLost, Unreadable, WindowClosed
from lmshooks.core.feeds import WindowFeed
from lmshooks.core.lane_records import restore
from lmshooks.core.ledger import Seen
from lmshooks.core.ownership import METADATA, Ownership, State
from lmshooks.core.positions import start_of
from lmshooks.core.records import Kind, LaneRecord, PartRecord, WindowRecord, parse_key, read_record, roster_key
from lmshooks.core.store import Store

ADVICE = (
    "start the version that wrote it; or, to give up what it said, write a tombstone for this key to the state topic: "
    "the partition then goes on by itself"
)


def seen(own: Ownership, entry: Seen, now: float) -> None:
    """An entry of the state topic that is about an owned partition."""
    if entry.key.what == "claim":
        if own.claim_seen(entry.offset, entry.nonce, now):
            take_over(own, entry.offset, now)
    elif own.state is State.UNREADABLE:
        _perhaps_mended(own, entry.raw_key, now)
    elif own.store.is_last(entry.stamp, entry.raw_key):
        checkpoint.landed(own, entry.offset, now)
    elif own.tenure >= 0 and (entry.stamp is None or own.store.foreign(entry.stamp, entry.raw_key)):
        own.dirty = True  # R5: what is void now may be the key's last value; an idle partition repairs it, too


def roster_seen(own: Ownership, digest: str, now: float) -> None:
    """A roster was written or removed; one that is still in use is written again with the partition record."""
    if own.state is State.UNREADABLE:
        _perhaps_mended(own, roster_key(digest), now)
    elif digest == own.context.roster_digest and digest not in own.context.ledger.rosters:
        own.store.unknown.add(own.store.part_key())
        own.dirty = True


def _perhaps_mended(own: Ownership, key: bytes, now: float) -> None:
    """What could not be read was written anew, or removed: claim again, and look."""
    if key not in own.unreadable:
        return
    own.state = State.CLAIMING
    own.nonce = ""
    own.claim_due = now + own.back_off
    own.context.wake_at(own.claim_due)


def take_over(own: Ownership, tenure: int, now: float) -> None:
    """The claim is read back, and with it everything before it: go on where the log says."""
    context = own.context
    own.tenure = tenure
    context.known_at = max(context.known_at, own.claimed_at)  # what lay before the claim has been read with it
    own.claim_write = None
    ours = own.metadata.startswith(METADATA)
    expected = _offset(own.metadata[len(METADATA) :]) if ours else -1
    if tenure < expected:
        own.state = State.LOST
        context.facts.append(StateLost(own.partition, expected, tenure))
        return
    part, lanes, windows, unreadable = _read_state(own)
    if unreadable:
        own.state = State.UNREADABLE
        own.unreadable = frozenset(one.key.encode() for one in unreadable)
        context.facts += unreadable
        return
    offset = own.given
    if offset is None:
        offset = part.committed if part else own.start
        begun = context.ledger.values.get(own.partition, {}).get(own.store.part_key())
        if begun is None or begun.tenure <= own.before:  # nobody else has meanwhile: what was known then still holds
            offset = max(offset, own.told)
    elif part and offset != part.committed and not ours:  # no commit of ours: an operator's
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
    else:
        _remember(own, offset, now)
    context.facts.append(Claimed(own.partition, tenure, offset, len(lanes)))
    context.commands.append(Start(own.partition, offset))
    own.hold(context.short)  # what else held the feed in the tenure before holds it no more
    own.see_epoch(now)


def _offset(text: str) -> int:
    """The state topic's offset in a commit's metadata; -1 where somebody else wrote it."""
    return int(text) if text.isascii() and text.isdigit() else -1


def _read_state(
    own: Ownership,
) -> tuple[PartRecord | None, dict[tuple[str, Kind], LaneRecord], dict[str, WindowRecord], list[Unreadable]]:
    own.store = Store(own.partition, own.tenure, 0)
    ledger = own.context.ledger
    part = None
    lanes: dict[tuple[str, Kind], LaneRecord] = {}
    windows: dict[str, WindowRecord] = {}
    wrong: list[Unreadable] = []
    for raw, accepted in ledger.live(own.partition):
        key = parse_key(raw)
        if key is None:
            continue
        try:
            record = read_record(key, accepted.value)
        except ValueError as error:
            wrong.append(_unreadable(own, raw, accepted.offset, str(error)))
            continue
        if isinstance(record, PartRecord):
            part = record
        elif isinstance(record, WindowRecord):
            windows[key.name] = record
        elif key.kind is not None:
            lanes[key.name, key.kind] = record
        own.store.adopt(raw, accepted, record)
    for raw, damage in ledger.damaged.items():
        key = parse_key(raw)
        if key and (key.partition == own.partition or (part and raw == roster_key(part.roster))):
            wrong.append(_unreadable(own, raw, damage.offset, damage.why))
    return part, lanes, windows, wrong


def _unreadable(own: Ownership, raw: bytes, offset: int, why: str) -> Unreadable:
    return Unreadable(own.partition, raw.decode(), offset, why, ADVICE)


def _restore(own: Ownership, name: str, kind: Kind, record: LaneRecord, now: float) -> None:
    lane = own.make(name, kind, record.head)
    restore(lane, record)
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
    old = context.ledger.rosters.get(part.roster)
    if old is None:  # it was given up by hand: nothing is known to have changed
        return
    for name, was in old.items():
        done = own.windows[was.window].done if was.window in own.windows else committed
        now_is = context.roster.get(name)
        if now_is is None:
            for kind, offset in ((Kind.REAL_TIME, committed), (Kind.WINDOWED, done)):
                if (name, kind) not in own.lanes:
                    lane = own.place(name, kind, start_of(offset))
                    lane.subscription = replace(lane.subscription, window=was.window)  # whose feed it stands with
                    own.orphan(lane, now)
        elif (name, Kind.WINDOWED) not in own.lanes and was.skips and not now_is.skips:
            own.place(name, Kind.WINDOWED, start_of(max(committed, done)))
        elif (name, Kind.WINDOWED) not in own.lanes and now_is.window != was.window:
            own.place(name, Kind.WINDOWED, start_of(done))
    for name, now_is in context.roster.items():
        if name not in old and (name, Kind.WINDOWED) not in own.lanes:
            own.place(name, Kind.WINDOWED, start_of(max(committed, own.windows[now_is.window].done)))


def _remember(own: Ownership, begin: int, now: float) -> None:
    """R11 where there is no partition record: subscriptions that our files do not have are orphans from the beginning.

    That is who is an orphan elsewhere, since then; and who is in a configuration that is applied elsewhere: whoever
    applies it has other files than ours, or has not seen yet that the subscription was taken out.
    """
    context = own.context
    ledger, grace = context.ledger, context.configuration.orphan_grace
    out = {name: since for name, since in ledger.orphans() if now - since < grace}
    for digest in set(ledger.applied.values()) - {context.roster_digest}:
        out |= dict.fromkeys(ledger.rosters.get(digest, ()), now)
    for name in sorted(out.keys() - context.roster.keys()):
        for kind in Kind:
            if (name, kind) not in own.lanes:
                own.orphan(own.place(name, kind, start_of(begin)), out[name])
