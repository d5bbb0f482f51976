"""How does it stand? The machine's state gathered into Stats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmshooks.core.held import fails
from lmshooks.core.lanes import Lane
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.stats import PartitionStats, Stats, SubscriptionStats, WindowStats

if TYPE_CHECKING:
    from lmshooks.core.dispatcher import Dispatcher

STUCK = 60.0
"""Seconds without a move, while the log holds more, after which a live feed counts as stuck."""


def picture(dispatcher: Dispatcher, now: float) -> Stats:
    """Everything at this moment; costs O(lanes in memory), not O(subscriptions)."""
    context = dispatcher.context
    lanes: dict[str, list[tuple[Ownership, Lane]]] = {}
    for own in dispatcher.owned.values():
        for lane in own.lanes.values():
            lanes.setdefault(lane.subscription.id, []).append((own, lane))
    told = dict.fromkeys(lanes)
    known = context.configuration.subscriptions
    # One that was suspended and then taken out of the files is what an operator wanted: nothing is wrong with it.
    told.update(dict.fromkeys(name for name in context.ledger.suspensions if name in known))
    told.update({one.id: None for one in known.values() if not one.active})
    windows = []
    for name, schedule in context.configuration.windows.items():
        feeds = [own.windows[name] for own in dispatcher.owned.values() if name in own.windows]
        windows.append(
            WindowStats(
                name,
                schedule.next_close(now),
                max((feed.closed_at for feed in feeds), default=0.0),
                sum(feed.done < feed.to for feed in feeds),
            )
        )
    return Stats(
        tuple(_subscription(dispatcher, name, lanes.get(name, []), now) for name in told),
        tuple(_partition(own, now) for own in dispatcher.owned.values()),
        tuple(windows),
        len(context.configuration.subscriptions),
        context.configuration.version,
        dispatcher.posting.posts,
        dispatcher.posting.failing_posts,
        context.memory,
    )


def _subscription(
    dispatcher: Dispatcher, name: str, lanes: list[tuple[Ownership, Lane]], now: float
) -> SubscriptionStats:
    context = dispatcher.context
    subscription = context.configuration.subscriptions.get(name)
    suspended = context.ledger.suspensions.get(name) if subscription else None
    state = "active"
    if subscription is None:
        state = "orphaned"
    elif suspended is not None:
        state = "suspended"
    elif not subscription.active:
        state = "inactive"
    behind = unseen = 0
    for own, lane in lanes:
        feed = own.feed_of(lane)
        held = [one.next for one in lane.held.values()]
        if held or not lane.attached:
            place = feed if lane.attached else lane.next
            behind += max(0, feed[0] - min([place, *held])[0])
            seen, index = min([max(place, lane.horizon), *held])
            unseen += max(0, feed[0] - seen - (index > 0))
    oldest = [at for at in (lane.oldest() for _, lane in lanes) if at is not None]
    since = [lane.failing_since for _, lane in lanes if lane.failing_since is not None]
    attempts = [at for _, lane in lanes if lane.failures for at in (max(lane.held_until, *lane.due.values(), 0.0),)]
    worst = next((lane for _, lane in lanes if lane.last_status), None)
    return SubscriptionStats(
        name,
        subscription.account if subscription else "",
        state,
        suspended,
        sum(lane.attached for _, lane in lanes),
        sum(not lane.attached for _, lane in lanes),
        sum(lane.failures > 0 for _, lane in lanes),
        sum(lane.out for _, lane in lanes),
        sum(lane.queued for _, lane in lanes),
        behind,
        min(oldest, default=None),
        min(since, default=None),
        min((at for at in attempts if at > now), default=None),
        worst.last_status if worst else "",
        worst.last_verdict if worst else "",
        worst.last_detail if worst else "",
        subscription.endpoint.host if subscription else "",
        context.ledger.suspended_at.get(name) if suspended is not None else None,
        max((lane.settled_at for _, lane in lanes), default=0.0) or None,
        sum(lane.queued + len(lane.missing) + len(lane.needed) for _, lane in lanes),
        unseen,
        tuple(sorted({account for _, lane in lanes for account in lane.held if fails(lane, account)})),
    )


def _partition(own: Ownership, now: float) -> PartitionStats:
    still_since = own.still[1] if own.still is not None and own.still[0] == own.position[0] < own.log_end else None
    return PartitionStats(
        own.partition, _state(own, still_since, now), own.tenure, own.position[0], own.store.acknowledged, own.log_end,
        len(own.sweeps), len(own.letters), own.checkpointed_at, still_since,
    )  # fmt: skip


def _state(own: Ownership, still_since: float | None, now: float) -> str:
    if own.state is not State.RUNNING:
        return own.state.value
    if not own.ready:
        return "starting"
    if own.unconfirmed(now) or (own.held and not own.exposure.full and not own.context.short):
        return "held"
    if still_since is not None and now - still_since > STUCK:
        return "stuck"
    return "full" if own.held and own.context.short else own.state.value
