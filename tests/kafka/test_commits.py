"""A commit belongs to the assignment in which it was asked for: it is made in that one, or not at all.

And it is of one partition: what keeps another's from being made does not keep it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CommitFailedError, KafkaError, OffsetMetadataTooLargeError, TopicAuthorizationFailedError

from lmshooks.adapters import commits as module
from lmshooks.adapters.commits import Commits
from lmshooks.adapters.kafka_client import TopicMissing, closed, reading_options, refuse_missing_topics
from lmshooks.adapters.membership import Member
from tests.kafka.clients import Indifferent, make_topic, settings_for, until

A, B, BAD = TopicPartition("a", 0), TopicPartition("b", 0), TopicPartition("bad", 0)
LATER = 1.0
"""Seconds in which a commit that is still tried would be made: aiokafka's pause between two is a tenth of one."""


async def test_one_that_waits_for_its_coordinator_is_not_made_after_the_partitions_were_given_back(own_kafka):
    settings = settings_for(own_kafka.bootstrap, request_timeout=15.0)  # it is tried for twice that
    (topic,) = settings.topics
    await make_topic(own_kafka.bootstrap, topic, 2)
    old, new = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer, commits = Member(settings, Indifferent()).consumer, Commits(settings)
    await consumer.start()
    try:
        await until(lambda: len(consumer.assignment()) == 2)
        own_kafka.kill()
        waiting = [asyncio.create_task(commits.commit(consumer, old, offset, "old")) for offset in (5, 6)]
        await asyncio.wait(waiting, timeout=0.5)  # the first is under way, and the second has taken its place
        commits.drop()
        await asyncio.to_thread(own_kafka.start)
        while not await commits.commit(consumer, new, 7, "new"):
            await asyncio.sleep(0.1)
        await asyncio.sleep(LATER)
        assert [one.done() and one.result() for one in waiting] == [False, False]
        assert await commits.committed([old, new]) == {old: (None, ""), new: (7, "new")}
    finally:
        await commits.close()
        await closed(consumer)


async def test_a_topic_that_is_not_there_does_not_keep_the_others_from_being_made(kafka):
    settings = settings_for(kafka, request_timeout=30.0)  # a commit that is made again and again takes twice that
    (topic,) = settings.topics
    await make_topic(kafka, topic)
    there, missing = TopicPartition(topic, 0), TopicPartition(f"{topic}-deleted", 0)
    consumer, commits = AIOKafkaConsumer(**reading_options(settings), group_id=settings.group_id), Commits(settings)
    await consumer.start()
    refuse_missing_topics(consumer)
    consumer.assign([there, missing])
    try:
        async with asyncio.timeout(30):
            made = await asyncio.gather(*(commits.commit(consumer, tp, 5, "") for tp in (missing, there)))
        assert made == [False, True]
        assert await commits.committed([there]) == {there: (5, "")}
    finally:
        await commits.close()
        await closed(consumer)


class Group:
    """A consumer of A, B and BAD, whose group answers so to a commit that has BAD in it."""

    def __init__(self, refusal: KafkaError) -> None:
        self.refusal = refusal
        self.asked: list[set[TopicPartition]] = []

    def assignment(self) -> set[TopicPartition]:
        return {A, B, BAD}

    async def commit(self, offsets: dict[TopicPartition, object]) -> None:
        self.asked.append(set(offsets))
        await asyncio.sleep(0)
        if BAD in offsets:
            raise self.refusal


async def all_three(commits: Commits, group: Group) -> list[bool]:
    return await asyncio.gather(*(commits.commit(group, tp, 1, "") for tp in (A, BAD, B)))


@pytest.mark.parametrize(
    "refusal", [TopicAuthorizationFailedError({"bad"}), OffsetMetadataTooLargeError(), TopicMissing()]
)
async def test_one_that_is_refused_by_itself_does_not_keep_the_others_from_being_made(refusal):
    commits, group = Commits(settings_for("x:1")), Group(refusal)
    assert await all_three(commits, group) == [True, False, True]
    group.asked.clear()
    assert await all_three(commits, group) == [True, False, True]
    assert group.asked == [{A, B}, {BAD}], "what was refused is asked for apart"
    group.refusal, group.asked = TimeoutError(), []
    assert await all_three(commits, group) == [True, False, True]
    assert commits.silent_since is not None


async def test_one_that_was_refused_and_is_made_goes_with_the_others_again(monkeypatch):
    commits, group = Commits(settings_for("x:1")), Group(TopicAuthorizationFailedError({"bad"}))
    await all_three(commits, group)
    monkeypatch.setattr(Group, "commit", lambda self, offsets: asyncio.sleep(0, self.asked.append(set(offsets))))
    assert await all_three(commits, group) == [True, True, True]
    group.asked.clear()
    assert await all_three(commits, group) == [True, True, True]
    assert group.asked == [{A, B, BAD}]


async def test_what_the_group_refuses_as_a_whole_is_not_asked_for_one_by_one():
    commits, group = Commits(settings_for("x:1")), Group(CommitFailedError())
    assert await all_three(commits, group) == [False, False, False]
    assert group.asked == [{A, B, BAD}]


class Forgetful:
    """A consumer with a pattern that was given A, and has subscribed anew since: aiokafka knows no assignment then."""

    def __init__(self, generation: int, answered: bool = True) -> None:
        self._subscription = SubscriptionState()
        self._subscription.subscribe_pattern(re.compile("."))
        self._subscription.subscribe_from_pattern({"a"})
        self._subscription.assign_from_subscribed({A})
        self._subscription.subscribe_from_pattern({"a", "b"})
        self._coordinator = SimpleNamespace(generation=generation, commit_offsets=self._commit_offsets)
        self._answered = answered
        self.asked: list[set[TopicPartition]] = []
        self.ended = 0

    def assignment(self) -> set[TopicPartition]:
        return self._subscription.assigned_partitions()

    async def _commit_offsets(self, assignment: object, offsets: dict[TopicPartition, object]) -> None:
        self.asked.append(set(offsets))
        try:
            await asyncio.sleep(0 if self._answered else 60)
        finally:
            self.ended += 1


async def test_the_last_commit_is_made_though_aiokafka_has_forgotten_the_assignment():
    consumer = Forgetful(generation=7)
    assert await Commits(settings_for("x:1")).commit(consumer, A, 5, "")
    assert consumer.asked == [{A}]


async def test_of_a_member_that_the_group_has_dropped_nothing_is_committed():
    consumer = Forgetful(generation=-1)
    assert not await Commits(settings_for("x:1")).commit(consumer, A, 5, "")
    assert consumer.asked == []


async def test_the_last_commit_does_not_outlive_the_giving_back():
    consumer, commits = Forgetful(generation=7, answered=False), Commits(settings_for("x:1"))
    waiting = asyncio.create_task(commits.commit(consumer, A, 5, ""))
    await until(lambda: consumer.asked)
    commits.drop()
    assert not await waiting
    assert consumer.ended == 1


async def test_the_last_commit_of_a_revoke_is_made_when_a_topic_appears_that_the_pattern_matches(embedded, topic):
    own = topic("events")
    settings = settings_for(embedded, topics=(), topic_pattern=f"^{own}")
    tp = TopicPartition(f"{own}-a", 0)
    await make_topic(embedded, tp.topic)
    commits, made = Commits(settings), []

    class Last(Indifferent):
        async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
            if tp in revoked:
                made.append(await commits.commit(consumer, tp, 5, "last"))
                commits.drop()

    consumer = Member(settings, Last()).consumer
    await consumer.start()
    try:
        await until(consumer.assignment)
        await make_topic(embedded, f"{own}-b")
        await consumer._client.force_metadata_update()  # as every half minute
        await until(lambda: made)
        assert made == [True]
        assert (await commits.committed([tp]))[tp][0] == 5
    finally:
        await commits.close()
        await closed(consumer, 0.1)


async def test_two_who_read_at_once_share_one_client_and_it_is_closed(monkeypatch):
    clients = []

    class Admin:
        closed = False

        async def list_consumer_group_offsets(self, *_: object, **__: object) -> dict[TopicPartition, object]:
            return {}

        async def close(self) -> None:
            self.closed = True

    async def connected(settings: object) -> Admin:
        await asyncio.sleep(0)
        clients.append(Admin())
        return clients[-1]

    monkeypatch.setattr(module, "connected_admin", connected)
    commits = Commits(settings_for("x:1"))
    await asyncio.gather(commits.committed([A]), commits.committed([A]))
    await commits.close()
    assert [client.closed for client in clients] == [True]
