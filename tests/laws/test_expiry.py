"""What the log no longer holds is named, never waited for, and never sent under an id that stood for more."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.subscriptions import RetryPolicy
from tests.laws.stage import P, Stage, subscription

S = subscription("s")


def test_what_is_left_of_a_delivery_goes_under_another_id() -> None:
    stage = Stage(replace(S, account="1", max_events=2, retry=RetryPolicy(40.0, 40.0)))
    one = stage.begin()
    stage.produce()
    stage.produce()
    stage.feed(one)
    (whole,) = stage.answer(one, "s", 500)
    assert whole.post.events == 2
    stage.world.sources[P].expire(1)
    stage.world.now += 41.0
    stage.sweep(one)
    (rest,) = stage.answer(one, "s")
    assert [fact.id for fact in rest.facts] == ["e1"]
    assert rest.post.delivery_id != whole.post.delivery_id
    assert stage.world.checker.counts["Expired"] == 1
    stage.end()


def test_a_lane_does_not_wait_for_a_feed_to_come_by_with_what_is_gone() -> None:
    stage = Stage(S)
    one = stage.begin()
    for _ in range(3):
        stage.produce()
    stage.feed(one)
    stage.answer(one, "s")
    stage.checkpoint(one)
    stage.written(one)
    stage.land(one)  # the record stands ahead of the commit, which never comes
    stage.crash(one)
    two = stage.start()
    stage.own(two)
    stage.world.sources[P].expire(3)
    stage.feed(two)
    stage.end()


def test_a_malformed_record_whose_letter_was_not_written_is_buried_by_name_when_it_is_gone() -> None:
    stage = Stage(S)
    one = stage.begin()
    stage.spoil()
    stage.feed(one)
    stage.checkpoints(one, 2)
    stage.crash(one)
    stage.world.sources[P].expire(1)
    stage.own(stage.start())
    stage.end()
    assert (P, 0, 0, None) in stage.world.checker.letters
