"""What does a change of configuration do to lanes?

added        both lanes begin at the live position, recorded before the first post (R9)
changed      of what no delivery has taken yet, everything is read again under the new rules
moved        to another window: the lane takes its position along (R10)
retired      `active: false`: what is owed is held; with `resume: now` it is given up, counted and logged
activated    goes on where it stood; after `resume: now`, at the live position, as a new life
removed      an orphan: recorded, not sent, forgotten after the grace
cadence      begins at the log's end, as an epoch in the partition record (R11)
"""

from __future__ import annotations

from collections.abc import Iterable

from lmshooks.core.comparing import planned
from lmshooks.core.configuration import Configuration
from lmshooks.core.context import Context, skips
from lmshooks.core.facts import Reconfigured
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Subscription


def reconfigure(context: Context, owned: Iterable[Ownership], new: Configuration, now: float) -> None:
    """Apply another configuration to everything that is owned."""
    plan = planned(context.configuration, new)
    old = context.configuration.subscriptions
    context.use(new)
    for own in owned:
        if own.state not in (State.RUNNING, State.RELEASING):  # the last checkpoint names the configuration, too
            continue
        own.dirty = True
        own.clean = False
        own.see_windows(now)
        for stream in (*own.sweeps, *(window.stream for window in own.windows.values() if window.stream)):
            stream.wanted = None
        for name in plan.added:
            _add(own, name, now)
        for name, _ in plan.changed:
            _change(own, old[name], new.subscriptions[name], now)
        for name in plan.removed:
            for kind in Kind:
                lane = own.lanes.get((name, kind)) or own.place(name, kind, _place(own, old[name], kind))
                lane.subscription = old[name]  # whose window it stands with
                own.shed(lane, "removed")  # as long as it is attached: it stands where its feed does
                own.orphan(lane, now)
        own.see_epoch(now)
    context.facts.append(
        Reconfigured(
            new.version,
            plan.added,
            tuple(each.id for each in plan.changed),
            plan.removed,
            plan.activated,
            plan.retired,
            tuple(each.id for each in plan.changed if each.endpoint_only),
            tuple(map(str, plan.moved)),
            tuple(map(str, (*plan.windows, *plan.cadences))),
        )
    )


def _place(own: Ownership, subscription: Subscription, kind: Kind) -> tuple[int, int]:
    """Where a lane stands of which nothing is known: with its feed."""
    if kind is Kind.REAL_TIME:
        return own.position
    window = own.windows.get(subscription.window)
    return window.read if window else own.position


def _add(own: Ownership, name: str, now: float) -> None:
    for kind in Kind:
        lane = own.lanes.get((name, kind))
        if lane is None:
            own.place(name, kind, own.position)
            continue
        lane.subscription = own.context.configuration.subscriptions[name]
        lane.orphan_since = None
        lane.blocked = own.context.blocked(name)
        lane.durable = False
        own.urgent = True
        own.settle_place(lane)


def _change(own: Ownership, old: Subscription, new: Subscription, now: float) -> None:
    if skips(old) and not skips(new):
        for kind in Kind:
            gone = own.lanes.pop((new.id, kind), None)
            if gone is not None:
                own.end_life(gone)
            own.place(new.id, kind, own.position)
        return
    if skips(new) and not skips(old):
        for kind in Kind:
            lane = own.lanes.get((new.id, kind))
            if lane is not None:
                own.give_up(lane, "retired")
        return
    rerouted = (old.account, old.events, old.filter, old.order) != (new.account, new.events, new.filter, new.order)
    moved = old.window != new.window
    for kind in Kind:
        lane = own.lanes.get((new.id, kind))
        if lane is None and moved and kind is Kind.WINDOWED:
            lane = own.place(new.id, kind, _place(own, old, kind))
        if lane is None:
            continue
        if moved and kind is Kind.WINDOWED:
            if lane.attached:
                lane.next = max(lane.next, _place(own, old, kind))
                lane.attached = False
            lane.durable = False
            own.urgent = True
            own.alight(lane)
        lane.subscription = new
        lane.reorder()
        blocked = own.context.blocked(new.id)
        if rerouted or (blocked and not lane.blocked):
            own.shed(lane, "changed")
        lane.blocked = blocked
        own.settle_place(lane)
        own.to_send[lane] = None
    own.context.wake_at(now)
