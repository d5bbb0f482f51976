"""The resume command in a real state topic, as an instance reads it."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner, Result

from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.adapters.state import StateTopic
from lmshooks.cli import settings
from lmshooks.cli.resume import resume, write
from lmshooks.core.records import resume_entry
from lmshooks.core.subscriptions import Endpoint, Subscription

NOW = 1_768_888_090.0


@pytest.fixture
async def kafka(embedded: str) -> KafkaSettings:
    name = f"state-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=embedded)
    await admin.start()
    await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    await admin.close()
    return KafkaSettings(bootstrap_servers=embedded, state_topic=name, request_timeout=2.0)


async def test_each_resume_is_an_entry_of_the_state_topic(kafka: KafkaSettings) -> None:
    assert await write(kafka, ["crm", "lrs"], NOW) == ""
    topic = StateTopic(kafka)
    try:
        found = [(entry.key, entry.value) for entry in await topic.start()]
    finally:
        await topic.stop()
    assert found == [resume_entry("crm", NOW), resume_entry("lrs", NOW)]


async def test_a_kafka_that_is_away_is_told() -> None:
    away = KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout=0.5)
    assert "127.0.0.1" in await write(away, ["crm"], NOW)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two subscriptions in the files, and a Kafka that is away."""
    subscriptions = {
        "crm": Subscription("crm", "1010", ("*",), Endpoint("https://crm.example/hooks")),
        "lrs": Subscription("lrs", "1010", ("*",), Endpoint("https://lrs.example/hooks"), active=False),
    }
    loaded = SimpleNamespace(
        configuration=SimpleNamespace(subscriptions=subscriptions),
        daemon=SimpleNamespace(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout=0.5)),
    )
    monkeypatch.setattr(settings, "loaded", lambda directory: loaded)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(resume, [*arguments, "--config", str(Path())])


@pytest.mark.usefixtures("configured")
def test_an_unknown_subscription_is_refused_with_the_nearest() -> None:
    result = run("crn")
    assert result.exit_code == 1
    assert "no subscription crn" in result.output and "did you mean crm?" in result.output


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("arguments", [(), ("crm", "--all")])
def test_it_wants_names_or_all_and_not_both(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "name the subscriptions, or all of them with --all" in result.output


@pytest.mark.usefixtures("configured")
def test_what_kafka_did_not_confirm_is_exit_code_2() -> None:
    result = run("crm")
    assert result.exit_code == 2
    assert "not confirmed by 127.0.0.1:1" in result.output and "repeating is harmless" in result.output


def test_the_help_teaches_by_example() -> None:
    assert "lmshooks resume --all" in run("--help").output
