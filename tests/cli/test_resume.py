"""The resume command in a real state topic, as an instance reads it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner, Result

from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.adapters.state import StateTopic
from lmshooks.cli.resume import resume, write
from lmshooks.core.records import resume_entry

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
def directory(tmp_path: Path) -> Path:
    """Two subscriptions in the files, and a Kafka that is away."""
    (tmp_path / "daemon.yaml").write_text(
        "kafka: {bootstrap_servers: '127.0.0.1:1', topics: [lms.events], request_timeout: 500ms}\n"
    )
    (tmp_path / "subscriptions").mkdir()
    entries = [
        f"- {{id: {name}, account: '1010', events: ['*'], url: 'https://{name}.example/hooks', active: {active}}}\n"
        for name, active in (("crm", "true"), ("lrs", "false"))
    ]
    (tmp_path / "subscriptions" / "all.yaml").write_text("subscriptions:\n" + "".join(entries))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(resume, arguments)


def test_all_are_those_of_the_files_and_a_paused_one_is_told_apart(directory: Path, embedded: str) -> None:
    daemon = directory / "daemon.yaml"
    daemon.write_text(
        f"kafka: {{bootstrap_servers: '{embedded}', topics: [t], state_topic: state-{uuid.uuid4().hex[:8]}}}\n"
    )
    result = run("--all", "--config", str(directory))
    assert result.exit_code == 0, result.output
    first, second, last = result.output.splitlines()
    assert first == "crm: resume is written"
    assert second.startswith("lrs: resume is written (it is switched off in its file")
    assert "lmshooks status" in last


def test_an_unknown_subscription_is_refused_with_the_nearest(directory: Path) -> None:
    result = run("crn", "--config", str(directory))
    assert result.exit_code == 1
    assert "no subscription crn" in result.output and "did you mean crm?" in result.output


def test_whoever_resumes_needs_no_secret_of_an_endpoint(directory: Path) -> None:
    file = directory / "subscriptions" / "all.yaml"
    file.write_text(file.read_text().replace("id: crm,", "id: crm, auth: {bearer: {token: {env: NOT_SET}}},"))
    assert "not confirmed by 127.0.0.1:1" in run("crm", "--config", str(directory)).output


@pytest.mark.parametrize("arguments", [(), ("crm", "--all")])
def test_it_wants_names_or_all_and_not_both(arguments: tuple[str, ...], directory: Path) -> None:
    result = run(*arguments, "--config", str(directory))
    assert result.exit_code == 2
    assert "name the subscriptions, or all of them with --all" in result.output


def test_what_kafka_did_not_confirm_is_exit_code_2(directory: Path) -> None:
    result = run("crm", "--config", str(directory))
    assert result.exit_code == 2
    assert "not confirmed by 127.0.0.1:1" in result.output and "repeating is harmless" in result.output


def test_the_help_teaches_by_example() -> None:
    assert "lmshooks resume --all" in run("--help").output
