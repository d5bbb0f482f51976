"""Plays of what is written and whose word counts: rules R1 to R7."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.commands import WriteState
from lmshooks.core.subscriptions import Resume, RetryPolicy
from tests.laws import mutations as off
from tests.laws import operations as op
from tests.laws.holes import hole
from tests.laws.settings import LIVE
from tests.laws.stage import LATER, UNWANTED, P, Stage, subscription
from tests.laws.world import Bounds, Instance

S, T = subscription("s"), subscription("t")
LATEST = Bounds(instances=3, earliest=False)


@hole("1", "R2", "4 1", off.drop_once_attached)
def a_lane_that_attached_has_not_sent_yet() -> None:
    """Its record is durable, the commit has passed it, a sweep has handed it the event: not yet sent, then a crash."""
    stage = Stage(replace(S, active=False))
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.checkpoints(one, 3)
    stage.subscribe(one, s=S)
    stage.sweep(one)
    assert stage.on_its_way(one, "s") == ["e0"]
    stage.checkpoints(one, 2)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("2", "R1", "9", off.target_is_the_smallest_head)
def a_slow_lane_holds_nobody_back() -> None:
    """One lane is slow, another settles; after a crash the other one is not sent all that again."""
    stage = Stage(S, T)
    one = stage.begin()
    for _ in range(4):
        stage.produce()
        stage.feed(one)
        stage.answer_all(one, "t")
    for _ in range(3):  # letters come and go: every checkpoint has something to write
        stage.spoil()
        stage.feed(one)
        stage.checkpoint(one)
        op.bury(stage.world, one, False)
        stage.checkpoint(one)
    stage.crash(one)
    two = stage.start()
    stage.own(two)
    stage.feed(two)
    stage.end()


@hole("3", "R3", "4 1", off.commit_before_it_is_read_back)
def a_late_claim_makes_an_acknowledged_record_void() -> None:
    """The true owner's record lands behind a claim of before: it counts for nothing, so nothing may be committed."""
    stage = Stage(S)
    one, two = stage.start(), stage.start()
    stage.give(one)
    stage.own(two)
    stage.produce()
    stage.feed(two)
    stage.checkpoint(two)
    stage.land(one)
    stage.written(two)
    stage.land(two)
    stage.commit(two)
    stage.crash(two)
    stage.end()


@hole("4", "R5", "10", off.tenures_by_counting)
def two_claim_at_once() -> None:
    """Both have read the same log when they claim; both claims land, and one of them begins a tenure."""
    stage = Stage(S)
    one, two = stage.start(), stage.start()
    stage.give(one)
    stage.give(two)
    stage.land(one)
    stage.land(two)
    stage.follow(one)
    stage.follow(two)
    stage.produce()
    stage.end()


@hole("5", "R6", "5", off.obey_and_never_claim_again)
def the_owner_is_superseded_by_a_claim_from_before() -> None:
    """A zombie's claim lands late: the owner obeys it, and claims again, for the zombie never will."""
    stage = Stage(S)
    one, two = stage.start(), stage.start()
    stage.give(one)
    stage.own(two)
    stage.land(one)
    stage.follow(two)
    op.learn(stage.world)
    stage.produce()
    stage.end()


def _with_a_late_write() -> tuple[Stage, WriteState, Instance]:
    """An event is on its way; a record of the owner before, which is gone, may still land."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.checkpoint(one)
    stage.written(one)
    late = stage.fail(one)
    stage.crash(one)
    two = stage.start()
    stage.own(two)
    stage.feed(two)
    return stage, late, two


@hole("6", "R5", "1", off.forget_what_is_void)
def compaction_keeps_the_last_value_which_is_void() -> None:
    """A zombie's late write of a record counts for nothing, but compaction removes the one that counts for it."""
    stage, late, two = _with_a_late_write()
    stage.checkpoints(two, 3)
    stage.checkpoint(two)
    stage.checkpoint(two)  # it is idle now: only what is void makes it write
    stage.put(late)
    stage.follow(two)
    stage.checkpoint(two)
    stage.crash(two)
    stage.world.now += stage.world.bounds.lag + 1
    op.compact(stage.world)
    stage.own(stage.start())
    stage.end()


@hole("6b", "R5", "9", off.forget_what_is_void)
def compaction_removes_the_claim_that_made_it_void() -> None:
    """Between two claims lands a value of the tenure before both; without the first claim a reader would believe it."""
    stage, late, two = _with_a_late_write()
    stage.answer(two, "s")
    stage.checkpoints(two, 4)
    stage.put(late)
    stage.follow(two)
    stage.checkpoint(two)
    stage.crash(two)
    three = stage.start()
    stage.own(three)
    stage.crash(three)
    stage.world.now += stage.world.bounds.lag + 1
    op.compact(stage.world)
    stage.own(stage.start())
    stage.end()


@hole("7", "R4", "9", off.believe_a_write_that_failed)
def a_record_lands_and_nobody_knows() -> None:
    """A write lands without its acknowledgement; what it says is settled, and a restart must not begin there."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.checkpoint(one)
    stage.written(one)
    stage.fail(one, lands=True)
    stage.answer(one, "s")
    stage.checkpoints(one, 5)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("13", "R4", "9", off.keep_the_records_of_what_is_gone)
def a_removed_subscription_leaves_no_record() -> None:
    """Removed, forgotten after the grace, brought back: it begins anew, not where an old record says."""
    stage = Stage(S, T, grace=30.0)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.checkpoints(one, 2)
    stage.answer_all(one, "s", "t")
    stage.subscribe(one, only=(T,))
    stage.world.now += 31.0
    stage.checkpoints(one, 4)
    stage.crash(one)
    stage.subscribe(s=S)
    stage.own(stage.start())
    stage.end()


@hole("15", "R7", "9", off.record_the_head_alone)
def what_is_settled_beyond_the_head_stays_settled() -> None:
    """One key hangs, another one's events are settled behind it; after a crash only the first is sent again."""
    stage = Stage(replace(S, max_in_flight=2))
    one = stage.begin()
    for account in ("1", "2", "2"):
        stage.produce(account=account)
    stage.feed(one)
    stage.answer(one, "s", only="e1")
    stage.answer(one, "s", only="e2")
    stage.checkpoints(one, 5)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("15b", "R7", "4 1", off.record_the_head_and_the_horizon_alone)
def what_is_owed_below_the_horizon_is_named() -> None:
    """The same, where only the bounds are recorded: what hangs lies between them and is not taken again."""
    what_is_settled_beyond_the_head_stays_settled()


@hole("15c", "R7", "6", off.forget_what_was_attempted)
def what_was_attempted_together_is_sent_together() -> None:
    """Two events were attempted as one delivery; after a crash they are, again, though a third one waits."""
    stage = Stage(replace(S, max_events=3))
    one = stage.begin()
    stage.produce(count=2)
    stage.feed(one)
    stage.produce()
    stage.feed(one)
    stage.checkpoints(one, 5)
    stage.crash(one)
    two = stage.start()
    stage.own(two)
    stage.sweep(two)
    stage.end()


@hole("15d", "R7", "1", off.route_without_the_horizon)
def what_is_below_the_horizon_is_taken_as_it_was() -> None:
    """Read again, it is taken by its position alone: nothing may be missing of a delivery that was attempted."""
    stage = Stage(replace(S, max_events=3))
    one = stage.begin()
    stage.produce(count=2)
    stage.feed(one)
    stage.checkpoints(one, 3)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("16", "R7", "9", off.record_offsets_without_their_indexes)
def a_position_lies_inside_a_record() -> None:
    """Three events in one record, two settled, the third hangs; after a crash only the third is sent."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce(count=3)
    stage.feed(one)
    stage.answer(one, "s")
    stage.answer(one, "s")
    stage.checkpoints(one, 5)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("18", "R5", "2", off.acknowledge_any_life)
def an_acknowledgement_is_of_one_life() -> None:
    """Retired and activated while a record is in flight: its acknowledgement says nothing of the new life."""
    stage = Stage(replace(S, retry=RetryPolicy(20.0, 20.0)))
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.answer(one, "s", 500)
    stage.checkpoint(one)
    stage.written(one)
    stage.subscribe(one, s=replace(S, active=False, resume=Resume.NOW))
    stage.subscribe(one, s=S)
    stage.produce()
    stage.feed(one)
    stage.land(one)
    stage.follow(one)
    if "e1" in stage.on_its_way(one, "s"):
        stage.answer(one, "s", only="e1")
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("18b", "R5", "3", off.begin_anew_at_once)
def a_new_life_begins_when_the_last_request_of_the_old_one_is_answered() -> None:
    """Retired and activated while a request is out: the new life must not send beside it."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.subscribe(one, s=replace(S, active=False, resume=Resume.NOW))
    stage.subscribe(one, s=S)
    stage.checkpoint(one)
    stage.produce()
    stage.feed(one)
    stage.answer(one, "s", only="e0")
    stage.end()


@hole("R1", "R1", "4 1", off.no_record_below_the_target)
def what_the_commit_leaves_behind_has_a_record() -> None:
    """The simplest loss of all: in flight, committed past, and a crash."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce(LIVE[1])
    stage.feed(one)
    stage.checkpoints(one, 3)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("19", "R2", "9", off.begin_beside_a_commit)
def one_checkpoint_follows_the_other() -> None:
    """A commit is answered late: until then no record may be dropped for it, so nothing else may count as completed."""
    stage = Stage(S, bounds=Bounds(instances=3, patience=60.0))
    one = stage.begin()
    stage.produce(UNWANTED)
    stage.produce()
    stage.feed(one)
    stage.checkpoint(one)
    stage.written(one)
    stage.land(one)
    stage.follow(one)
    stage.answer(one, "s")
    for _ in range(4):
        stage.produce(UNWANTED)
        stage.feed(one)
        stage.world.now += 1.1
        stage.wake(one)
        while one.writes:
            stage.land(one)
        stage.follow(one)
    stage.commit(one)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("21", "R1", "9", off.no_record_inside_a_record)
def a_window_waits_inside_a_record() -> None:
    """Its feed waits there for a full lane; what others have settled of that record is settled, after a crash, too."""
    stage = Stage(S, T)
    one = stage.begin()
    stage.produce(LATER, count=6)
    stage.feed(one)
    stage.close(one)
    stage.checkpoint(one)
    stage.sweep(one)
    stage.answer_all(one, "t")
    assert one.machine.owned[P].windows["default"].read == (0, 4)
    stage.checkpoints(one, 5)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()
