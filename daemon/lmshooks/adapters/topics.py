"""Can these topics carry what is asked of them? Looks at them at start, makes our own two, refuses in plain words.

The source topics are the queue: what their retention lets go of before it is delivered is lost, so it is measured here
against the longest window and the retry horizon. The state topic must be one compacted partition that keeps every value
for a while: the order of values of different owners rests on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from lmshooks.adapters.kafka_client import KafkaSettings, connected_admin, describe

T = TypeVar("T")

HOUR = 3600.0
DAY = 24 * HOUR
MIN_COMPACTION_LAG = HOUR
"""Seconds for which the state topic must keep every value, at least."""

STATE_CONFIG = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(int(DAY * 1000)),
    # Small segments: the active one is never compacted, and what is not compacted is read at every start.
    "segment.bytes": str(16 * 1024 * 1024),
    "segment.ms": str(int(DAY * 1000)),
    "min.cleanable.dirty.ratio": "0.1",
    "max.message.bytes": str(16 * 1024 * 1024),
}
DEAD_LETTER_CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": str(int(30 * DAY * 1000)),
    "max.message.bytes": str(16 * 1024 * 1024),
}
_EXISTS, _FORBIDDEN = 36, 29


class TopicRefused(Exception):
    """A topic is missing, or is not made for its purpose. The text has one problem a line, with what to do."""


async def prepare(settings: KafkaSettings, longest_window: float, retry_horizon: float) -> list[str]:
    """Checks all topics and makes our own where they are missing; windows and horizons in seconds.

    Returns warnings, one a line of a log. Raises TopicRefused; KafkaError or TimeoutError where Kafka does not answer
    after a few tries.
    """
    admin = await retried(lambda: connected_admin(settings))
    try:
        warnings: list[str] = []
        problems: list[str] = []
        described = await retried(lambda: _describe(admin))
        missing = [topic for topic in (settings.state_topic, settings.dead_letter_topic) if topic not in described]
        if missing:
            problems += await _make(admin, settings, missing)
            if not problems:
                described = await retried(lambda: _describe(admin, missing))
        sources = _sources(settings, described)
        problems += [
            f"topic {name} is not there, or not for this user to see: create it (or allow Describe and Read on it), "
            "or take it out of kafka.topics"
            for name in sources
            if name not in described
        ]
        if settings.topic_pattern and not sources:
            warnings.append(f"no topic matches {settings.topic_pattern} yet: waiting for one")
        names = [name for name in (settings.state_topic, settings.dead_letter_topic, *sources) if name in described]
        configs = await retried(lambda: _configs(admin, names))
        if settings.state_topic in described:
            problems += _state_problems(settings.state_topic, described[settings.state_topic], configs)
            warnings += _state_warnings(settings.state_topic, configs)
        lacking = [
            problem
            for name in sources
            if name in described
            for problem in _source_problems(name, configs.get(name, {}), longest_window, retry_horizon)
        ]
        if settings.retention_check == "refuse":
            problems += [f"{problem} (kafka.retention_check: warn starts all the same)" for problem in lacking]
        else:
            warnings += lacking
        for name in sources:
            size = _number(configs.get(name, {}), "retention.bytes")
            if size is not None and size >= 0:
                warnings.append(
                    f"topic {name} has retention.bytes {size}: "
                    "a busy hour may push events out before they are delivered"
                )
        if problems:
            raise TopicRefused("\n".join(problems))
        return warnings
    finally:
        with contextlib.suppress(Exception):
            await admin.close()


async def retried(call: Callable[[], Awaitable[T]], tries: int = 5, timeout: float = 15.0) -> T:
    """An admin call, several times: it goes to a random broker, which may be the one that is away."""
    for attempt in range(1, tries + 1):
        try:
            async with asyncio.timeout(timeout):
                return await call()
        except (KafkaError, OSError, TimeoutError):
            if attempt == tries:
                raise
            await asyncio.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")


async def _describe(admin: AIOKafkaAdminClient, expected: Iterable[str] = ()) -> dict[str, int]:
    """All topics with their number of partitions. All, not named ones: naming creates topics on some brokers."""
    wanted = set(expected)
    found: dict[str, int] = {}
    for _ in range(20):
        found = {
            topic["topic"]: len(topic["partitions"])
            for topic in await admin.describe_topics()
            if not topic["error_code"] and topic["partitions"]
        }
        if wanted <= found.keys():
            break
        # A topic that was just made shows up a moment later.
        await asyncio.sleep(0.1)
    return found


async def _make(admin: AIOKafkaAdminClient, settings: KafkaSettings, missing: list[str]) -> list[str]:
    if not settings.create_topics:
        return [
            f"topic {name} is not there and kafka.create_topics is off: create it with {_recipe(name, settings)}"
            for name in missing
        ]
    problems = []
    for name in missing:
        code = await retried(lambda name=name: _create(admin, settings, name))  # type: ignore[misc]
        if code not in (0, _EXISTS):
            rights = "" if code != _FORBIDDEN else "if it is there, allow Describe, Read and Write on it; else "
            problems.append(
                f"topic {name} is not there and could not be created ({for_code(code).__name__}): "
                f"{rights}create it with {_recipe(name, settings)}"
            )
    return problems


async def _create(admin: AIOKafkaAdminClient, settings: KafkaSettings, name: str) -> int:
    config = STATE_CONFIG if name == settings.state_topic else DEAD_LETTER_CONFIG
    if settings.replication_factor is None:
        # -1 is the broker's default; aiokafka takes it only beside (empty) replica assignments.
        topic = NewTopic(name, -1 if name != settings.state_topic else 1, -1, {}, config)
    else:
        topic = NewTopic(name, 1, settings.replication_factor, topic_configs=config)
    code = _code(await admin.create_topics([topic]))
    if settings.replication_factor is None and code not in (0, _EXISTS):
        # Older and embedded brokers know no default: one copy, where there is one broker.
        brokers = len((await admin.describe_cluster())["brokers"])
        code = _code(await admin.create_topics([NewTopic(name, 1, min(3, brokers), topic_configs=config)]))
    return code


def _code(answer: Any) -> int:
    """Errors of create_topics are returned, not raised: (topic, code) or (topic, code, message)."""
    code: int = answer.topic_errors[0][1]
    if code and for_code(code).retriable:
        raise for_code(code)
    return code


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """The settings that matter, by topic; what a broker does not tell is left out."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        # All settings, not the few that matter: the embedded broker hangs up when it is asked for some.
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        for answer in await admin.describe_configs([resource]):
            for code, message, _type, topic, entries in answer.resources:
                if code:
                    raise TopicRefused(
                        f"the settings of topic {topic} cannot be read ({for_code(code).__name__}: {message}): "
                        "allow DescribeConfigs on it"
                    )
                found[topic] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


def _sources(settings: KafkaSettings, described: dict[str, int]) -> list[str]:
    if settings.topic_pattern:
        own = {settings.state_topic, settings.dead_letter_topic}
        pattern = re.compile(settings.topic_pattern)
        return sorted(name for name in described if pattern.match(name) and name not in own)
    return list(settings.topics)


def _state_problems(name: str, partitions: int, configs: dict[str, dict[str, str]]) -> list[str]:
    config = configs.get(name, {})
    problems = []
    if partitions != 1:
        problems.append(f"topic {name} has {partitions} partitions, expected exactly 1: delete it and make it anew")
    policy = config.get("cleanup.policy", "delete")
    if policy.strip() != "compact":
        problems.append(f"topic {name} has cleanup.policy {policy}, expected compact: positions would be deleted")
    lag = _number(config, "min.compaction.lag.ms")
    if lag is not None and lag / 1000 < MIN_COMPACTION_LAG:
        problems.append(
            f"topic {name} has min.compaction.lag.ms {lag}, expected at least {int(MIN_COMPACTION_LAG * 1000)} "
            f"({int(DAY * 1000)} is what we make): values of an earlier owner could win"
        )
    return problems


def _state_warnings(name: str, configs: dict[str, dict[str, str]]) -> list[str]:
    size = _number(configs.get(name, {}), "max.message.bytes")
    if size is not None and size < 8 * 1024 * 1024:
        return [f"topic {name} has max.message.bytes {size}: a checkpoint of many lanes is one batch, 16777216 is safe"]
    return []


def _source_problems(name: str, config: dict[str, str], longest_window: float, retry_horizon: float) -> list[str]:
    problems = []
    policy = config.get("cleanup.policy", "delete")
    if "compact" in policy:
        problems.append(
            f"topic {name} has cleanup.policy {policy}, expected delete: compaction drops events of equal keys"
        )
    retention = _number(config, "retention.ms")
    if retention is not None and retention >= 0 and "delete" in policy:
        for what, needed in (("the longest window", longest_window), ("the retry horizon", retry_horizon)):
            if retention / 1000 < needed:
                problems.append(
                    f"topic {name} has retention.ms {retention} ({_duration(retention / 1000)}), shorter than {what} "
                    f"({_duration(needed)}): raise it to {int(needed * 1000)}"
                )
    return problems


def _number(config: dict[str, str], name: str) -> int | None:
    try:
        return int(config[name])
    except (KeyError, ValueError):
        return None


def _duration(seconds: float) -> str:
    for size, unit in ((DAY, "d"), (HOUR, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"


def _recipe(name: str, settings: KafkaSettings) -> str:
    config = STATE_CONFIG if name == settings.state_topic else DEAD_LETTER_CONFIG
    options = " ".join(f"--config {key}={value}" for key, value in config.items())
    return f"kafka-topics.sh --create --topic {name} --partitions 1 {options}"


__all__ = ["TopicRefused", "describe", "prepare", "retried"]
