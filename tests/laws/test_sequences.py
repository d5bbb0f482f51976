"""The shortest sequences that break a law without a rule of the design: with the rule they do not.

The numbers are those of the table in the design's model. Each play runs as it is, to its quiet end, and with its rule
switched off, where exactly the law named must be found broken. A loss is seen twice: by law 4 at the commit that passes
what is owed, and, where nobody looks at commits, by law 1 at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from lmshooks.core.catalogue import Cadence
from lmshooks.core.subscriptions import Resume, RetryPolicy
from tests.laws import mutations as off
from tests.laws import operations as op
from tests.laws.checker import Checker, Violation
from tests.laws.settings import LIVE
from tests.laws.stage import LATER, Stage, subscription
from tests.laws.world import Bounds

S, T = subscription("s"), subscription("t")
LATEST = Bounds(instances=3, earliest=False)


class Hole(NamedTuple):
    """A play, the rule that it needs, and the laws that are broken without it."""

    number: str
    rule: str
    laws: str
    switch: off.Switch
    play: Callable[[], None]


HOLES: list[Hole] = []


def hole(number: str, rule: str, laws: str, switch: off.Switch) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a play into the table."""

    def enter(play: Callable[[], None]) -> Callable[[], None]:
        HOLES.append(Hole(number, rule, laws, switch, play))
        return play

    return enter


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


@hole("6", "R5", "1", off.forget_what_is_void)
def compaction_keeps_the_last_value_which_is_void() -> None:
    """A zombie's late write of a record counts for nothing, but compaction removes the one that counts for it."""
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


@hole("9", "R10", "4 1", off.begin_where_the_new_window_stands)
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


def named(one: Hole) -> str:
    return f"{one.number} {one.play.__name__}"


@pytest.mark.parametrize("one", HOLES, ids=named)
def test_with_the_rule_every_law_holds(one: Hole) -> None:
    one.play()


CASES = [pytest.param(one, law, id=f"{law} {named(one)}") for one in HOLES for law in one.laws.split()]


@pytest.mark.parametrize(("one", "law"), CASES)
def test_without_the_rule_the_law_is_broken(one: Hole, law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one.switch(monkeypatch)
    if law != "4":
        monkeypatch.setattr(Checker, "committed", lambda *_: None)
    with pytest.raises(Violation) as broken:
        one.play()
    assert broken.value.law == law, str(broken.value)


def test_every_rule_has_a_play() -> None:
    assert {one.rule for one in HOLES} == {f"R{number}" for number in range(1, 12)}


def test_every_law_has_a_bug_that_breaks_it() -> None:
    seen = {law for one in HOLES for law in one.laws.split()}
    elsewhere = {"7", "8"}  # test_isolation, test_mutations
    assert seen | elsewhere == {str(number) for number in range(1, 13)}
