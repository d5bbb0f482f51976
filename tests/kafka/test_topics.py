"""Topics at start: made, checked, refused in plain words."""

from __future__ import annotations

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from lmshooks.adapters.topics import TopicRefused, prepare
from tests.kafka.clients import admin_of, apache, kafka, make_topic, settings_for

__all__ = ["apache", "kafka"]

DAY = 86400.0


async def config_of(bootstrap, topic):
    async with admin_of(bootstrap) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def partitions_of(bootstrap):
    async with admin_of(bootstrap) as admin:
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def sourced(bootstrap, config=None, **changes):
    settings = settings_for(bootstrap, **changes)
    await make_topic(bootstrap, settings.topics[0], 2, config)
    return settings


@pytest.mark.parametrize("replication", [1, None])
async def test_our_own_topics_are_made_for_their_purpose(kafka, replication):
    settings = await sourced(kafka, replication_factor=replication)
    assert await prepare(settings, DAY, 7 * DAY) == []
    assert await prepare(settings, DAY, 7 * DAY) == []
    partitions = await partitions_of(kafka)
    assert partitions[settings.state_topic] == 1
    assert partitions[settings.dead_letter_topic] >= 1
    state = await config_of(kafka, settings.state_topic)
    assert state["cleanup.policy"] == "compact"
    assert state["min.compaction.lag.ms"] == "86400000"
    letters = await config_of(kafka, settings.dead_letter_topic)
    assert letters["cleanup.policy"] == "delete"
    assert letters["retention.ms"] == "2592000000"
    assert letters["max.message.bytes"] == "16777216"


async def test_nothing_is_made_where_that_is_not_allowed_and_the_text_says_how(kafka):
    settings = await sourced(kafka, create_topics=False)
    with pytest.raises(TopicRefused) as caught:
        await prepare(settings, 0, 0)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"topic {settings.state_topic} is not there and kafka.create_topics is off")
    assert "--partitions 1 --config cleanup.policy=compact" in lines[0]
    assert settings.state_topic not in await partitions_of(kafka)


async def test_a_source_topic_that_is_missing_is_refused_by_name(kafka):
    settings = settings_for(kafka)
    with pytest.raises(TopicRefused, match=f"topic {settings.topics[0]} is not there"):
        await prepare(settings, 0, 0)
    assert settings.topics[0] not in await partitions_of(kafka)


async def test_a_pattern_that_matches_nothing_yet_is_a_warning(kafka):
    settings = settings_for(kafka, topics=(), topic_pattern="nothing-like-this-.*")
    assert await prepare(settings, 0, 0) == ["no topic matches nothing-like-this-.* yet: waiting for one"]


async def test_a_state_topic_of_the_wrong_make_is_refused_with_each_reason(kafka):
    settings = await sourced(kafka)
    await make_topic(kafka, settings.state_topic, 3, {"cleanup.policy": "delete", "min.compaction.lag.ms": "1000"})
    with pytest.raises(TopicRefused) as caught:
        await prepare(settings, 0, 0)
    text = str(caught.value)
    assert "has 3 partitions, expected exactly 1" in text
    assert "has cleanup.policy delete, expected compact" in text
    assert "has min.compaction.lag.ms 1000, expected at least 3600000" in text


async def test_retention_too_short_for_a_window_or_the_horizon_is_refused_or_warned_about(kafka):
    settings = await sourced(kafka, {"cleanup.policy": "delete", "retention.ms": "3600000"})
    with pytest.raises(TopicRefused) as caught:
        await prepare(settings, 2 * 3600, 7 * DAY)
    window, horizon = str(caught.value).splitlines()
    assert "retention.ms 3600000 (1 h), shorter than the longest window (2 h): raise it to 7200000" in window
    assert "shorter than the retry horizon (7 d): raise it to 604800000" in horizon
    warning = settings_for(kafka, topics=settings.topics, retention_check="warn")
    assert len(await prepare(warning, 2 * 3600, 7 * DAY)) == 2
    assert await prepare(warning, 3600, 3600) == []


async def test_brokers_defaults_count_where_the_topic_says_nothing(apache):
    settings = await sourced(apache.bootstrap)
    with pytest.raises(TopicRefused, match=r"retention.ms 604800000 \(7 d\), shorter than the retry horizon \(8 d\)"):
        await prepare(settings, DAY, 8 * DAY)


async def test_a_compacted_source_is_refused_and_one_bounded_by_size_is_a_warning(kafka):
    settings = await sourced(kafka, {"cleanup.policy": "compact"})
    with pytest.raises(TopicRefused, match="compaction drops events of equal keys"):
        await prepare(settings, 0, 0)
    sized = await sourced(kafka, {"cleanup.policy": "delete", "retention.bytes": "1000000000"})
    (warning,) = await prepare(sized, 0, 0)
    assert "retention.bytes 1000000000" in warning


async def test_more_copies_than_brokers_are_refused_by_the_brokers_word(apache):
    settings = await sourced(apache.bootstrap, replication_factor=3)
    with pytest.raises(TopicRefused, match=r"could not be created \(InvalidReplicationFactorError\)"):
        await prepare(settings, 0, 0)


async def test_without_a_broker_it_says_so_after_a_few_tries():
    with pytest.raises(KafkaError, match="Unable to bootstrap"):
        await prepare(settings_for("127.0.0.1:1", request_timeout=0.5), 0, 0)
