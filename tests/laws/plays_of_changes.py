"""Plays of what must be durable before it acts, and of changes of configuration: rules R8 to R11."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.catalogue import Cadence
from tests.laws import mutations as off
from tests.laws import operations as op
from tests.laws.holes import hole
from tests.laws.stage import LATER, NOW, UNWANTED, Stage, subscription
from tests.laws.world import Bounds, Instance

S, T = subscription("s"), subscription("t")
LATEST = Bounds(instances=3, earliest=False)


@hole("8", "R9", "4 1", off.no_window_record_before_its_first_close)
def a_window_that_never_closed_has_a_place_all_the_same() -> None:
    """The live feed commits past a windowed event before its window ever closed; then a crash."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce(LATER)
    stage.feed(one)
    stage.checkpoints(one, 3)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("9", "R10", "1", off.begin_where_the_new_window_stands)
def a_lane_takes_its_position_along_to_another_window() -> None:
    """The new window is far ahead of the old one: what lies between is still owed."""
    stage = Stage(replace(S, window="slow"), T)
    one = stage.begin()
    stage.produce(LATER)
    stage.feed(one)
    stage.close(one)
    stage.checkpoint(one)
    stage.sweep(one)
    stage.answer(one, "t")
    stage.checkpoints(one, 3)
    stage.subscribe(one, s=S)
    stage.end()


@hole("10", "R11", "1", off.cadences_without_epochs)
def a_cadence_changes_between_the_feeds() -> None:
    """Windowed until here, real-time from here on: what the live feed has skipped is still the window's."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce(LATER)
    stage.feed(one)
    stage.checkpoints(one, 2)
    stage.cadence(one, **{LATER: Cadence.REAL_TIME})
    stage.end()


@hole("10b", "R9", "12", off.read_past_an_epoch_that_is_not_durable)
def a_cadence_epoch_is_awaited() -> None:
    """Sent live beyond an epoch that nobody else knows of; the next owner's epoch begins later: sent windowed, too."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce(LATER)
    stage.feed(one)
    stage.cadence(one, **{LATER: Cadence.REAL_TIME})
    op.ask(stage.world, one, False)
    stage.produce(LATER)
    stage.feed(one)
    if stage.on_its_way(one, "s"):
        stage.answer(one, "s")
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("11", "R11", "4 1", off.no_reload_at_take_over)
def a_partition_visits_an_instance_with_older_files() -> None:
    """A subscription has begun; an instance that does not know it reads on and commits, then loads the files."""
    stage = Stage(T)
    one = stage.begin()
    stage.subscribe(one, s=S)
    stage.checkpoints(one, 2)
    stage.produce()
    stage.feed(one)
    stage.answer_all(one, "s", "t")
    stage.checkpoints(one, 4)
    stage.crash(one)
    two = stage.start(version=0)
    stage.own(two)
    stage.produce()
    stage.feed(two)
    stage.answer_all(two, "t")
    stage.checkpoints(two, 3)
    op.load(stage.world, two, 1)
    stage.end()


@hole("20", "R11", "4 1", off.no_orphans_on_a_partition_that_is_new)
def a_partition_is_added_while_a_subscription_is_out() -> None:
    """Brought back within the grace, it goes on where it was: at the beginning of what it never saw, too."""
    stage = Stage(S, T)
    one = stage.begin()
    stage.checkpoints(one, 3)
    stage.subscribe(one, only=(T,))
    stage.checkpoints(one, 3)
    _deliver_on_a_new_partition(stage, one)
    stage.subscribe(one, s=S)
    stage.end()


@hole("20b", "R11", "4 1", off.no_orphans_on_a_partition_that_is_new)
def a_partition_is_added_where_the_newer_files_are() -> None:
    """The subscription was taken out, but who owns the other partition has not heard of it: there is no orphan yet."""
    stage = Stage(S, T)
    one = stage.begin()
    stage.checkpoints(one, 3)
    stage.subscribe(only=(T,))
    two = stage.start()
    _deliver_on_a_new_partition(stage, two)
    stage.subscribe(one, two, s=S)
    stage.end()


def _deliver_on_a_new_partition(stage: Stage, instance: Instance) -> None:
    """It takes a new partition over, and what lies there, for both cadences, is left behind by its commits."""
    added = stage.world.grow()
    for name in (NOW, LATER):
        stage.produce(name, to=added)
    stage.own(instance, added)
    stage.feed(instance)
    stage.answer_all(instance, "t")
    for _ in range(3):
        stage.produce(UNWANTED, to=added)
        stage.feed(instance)
        stage.checkpoint(instance)


@hole("22", "R11", "4 1", off.name_a_roster_before_its_orphans_are_written)
def more_are_removed_than_a_checkpoint_takes() -> None:
    """The record of one orphan is in the write that says which files are applied, the others' are not; then a crash."""
    stage = Stage(S, T, bounds=Bounds(instances=3, records=1))
    one = stage.begin()
    stage.checkpoints(one, 3)
    stage.produce()
    stage.feed(one)
    stage.subscribe(one, only=(subscription("u"),))
    stage.written(one)
    stage.land(one)
    stage.crash(one)
    two = stage.start()
    stage.own(two)
    stage.checkpoints(two, 6)
    stage.subscribe(two, s=S, t=T)
    stage.end()


@hole("12", "R9", "2", off.post_before_it_is_durable)
def a_birth_is_durable_before_its_first_post() -> None:
    """Born at 1, it must not send that before the log says so: the next owner would give birth to it at 0."""
    stage = Stage(T)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.subscribe(one, s=S)
    stage.produce()
    stage.feed(one)
    if stage.on_its_way(one, "s"):
        stage.answer(one, "s")
    stage.crash(one)
    two = stage.start()
    stage.own(two)
    stage.feed(two)
    stage.end()


@hole("14", "R8", "1", off.forget_pending_letters)
def a_dead_letter_is_not_written_yet() -> None:
    """The commit passes a malformed record whose letter is still under way; then a crash."""
    stage = Stage(S)
    one = stage.begin()
    stage.spoil()
    stage.feed(one)
    stage.checkpoints(one, 3)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("17", "R8", "4 1", off.forget_the_last_commit)
def the_groups_offset_expires() -> None:
    """Down for longer than the group keeps offsets, and `start: latest`: the partition record still knows."""
    stage = Stage(S, bounds=LATEST)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.checkpoint(one)
    stage.crash(one)
    stage.world.group.clear()
    stage.own(stage.start())
    stage.end()


@hole("R8", "R8", "4 1", off.post_before_the_partition_record)
def nothing_is_sent_before_the_partition_has_a_record() -> None:
    """`start: latest`, and a crash after the first POST: the next owner would begin at the end of that moment."""
    stage = Stage(S, bounds=LATEST)
    one = stage.start()
    stage.give(one)
    stage.land(one)
    stage.follow(one)
    stage.produce()
    stage.feed(one)
    if stage.on_its_way(one, "s"):
        stage.answer(one, "s")
    stage.crash(one)
    stage.produce()
    stage.own(stage.start())
    stage.end()


@hole("R9", "R9", "11", off.send_before_the_end_is_durable)
def a_windows_end_is_durable_before_its_first_post() -> None:
    """Decided is not closed: a crash now, and the next owner decides on another end."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce(LATER)
    stage.feed(one)
    stage.close(one)
    stage.sweep(one)
    stage.crash(one)
    stage.produce(LATER)
    stage.own(stage.start())
    stage.end()
