"""What the intake says of its troubles, for how long, and what it does where Kafka answers others and not it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from lmshooks.adapters.intake import Intake
from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.adapters.watchdog import Faults, Watchdog

FIRST, SECOND = TopicPartition("events", 0), TopicPartition("events", 1)


@pytest.mark.parametrize("asked", [[FIRST], []], ids=["topics", "pattern"])
async def test_a_consumer_without_an_assignment_is_made_anew_where_a_fresh_client_is_answered(asked):
    told: list[str] = []
    questions: list[list[TopicPartition]] = []

    async def answers(tps: list[TopicPartition]) -> bool:
        questions.append(tps)
        return len(questions) > 1

    watchdog = Watchdog(0.02, 0.02, answers)
    with pytest.raises(KafkaError, match="stalled"):
        async with asyncio.timeout(5):
            await watchdog.watch(None, dict, asked, told.append, lambda: None)
    assert questions == [asked, asked]
    assert set(told) == {"no assignment from the group"}


def test_the_consumers_fault_is_shown_before_those_of_partitions_and_each_is_over_by_itself():
    faults = Faults()
    assert faults.first is None
    faults.tell("first", FIRST)
    faults.tell("second", SECOND)
    faults.tell("all")
    assert faults.first == "all"
    faults.over(None, FIRST)
    assert faults.first == "second"
    faults.forget()
    assert faults.first is None


def test_a_fault_that_says_more_stands_against_one_that_is_only_seen():
    faults = Faults()
    faults.tell("first", FIRST)
    faults.stand("no assignment from the group")
    assert faults.first == "no assignment from the group"
    faults.tell("the broker is not reached")
    faults.stand("no assignment from the group")
    assert faults.first == "the broker is not reached"


async def test_an_intake_that_polls_no_more_is_alive_as_long_as_it_says_why():
    nobody: Any = None
    intake = Intake(KafkaSettings("127.0.0.1:1"), nobody)
    assert intake.alive
    intake._watchdog.last_poll = intake._faults.told_at = time.monotonic() - 1000
    intake._faults.tell("of one partition", FIRST)
    assert intake.fault and not intake.alive, "a partition's fault says nothing of the polling"
    intake._faults.tell("the broker is not reached")
    assert intake.alive
