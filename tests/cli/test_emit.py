"""Events written to a real (embedded) broker, and read back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner, Result

from lmshooks import samples
from lmshooks.cli.emit import emit
from lmshooks.core.catalogue import cadence_of


@pytest.fixture
def broker(embedded: str) -> str:
    return embedded


@pytest.fixture
def topic(broker: str) -> str:
    name = f"emit-{uuid.uuid4().hex[:8]}"
    asyncio.run(_make_topic(broker, name))
    return name


async def _make_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=3, replication_factor=1)])
    finally:
        await admin.close()


def read(bootstrap: str, topic: str) -> list[tuple[int, bytes, bytes]]:
    """(partition, key, value) of everything in the topic."""

    async def reading() -> list[tuple[int, bytes, bytes]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, number) for number in range(3)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: list[tuple[int, bytes, bytes]] = []
            while len(found) < sum(ends.values()):
                for tp, got in (await consumer.getmany(timeout_ms=100)).items():
                    found += [(tp.partition, each.key, each.value) for each in got]
            return found
        finally:
            await consumer.stop()

    return asyncio.run(asyncio.wait_for(reading(), 20))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(emit, arguments)


def told(result: Result) -> dict[str, Any]:
    told = json.loads(result.stdout)
    assert isinstance(told, dict)
    return told


def test_events_are_bare_by_default_and_keyed_by_their_account(broker: str, topic: str) -> None:
    result = run("--bootstrap", broker, "--topic", topic, "--count", "60", "--seed", "1", "--json")
    assert result.exit_code == 0, result.output
    assert {key: told(result)[key] for key in ("topic", "records", "events")} == {
        "topic": topic,
        "records": 60,
        "events": 60,
    }
    found = read(broker, topic)
    assert len(found) == 60
    places: dict[bytes, set[int]] = {}
    for partition, key, value in found:
        event = json.loads(value)
        assert str(event["accountId"]).encode() == key
        assert event["eventName"] in samples.MIX
        places.setdefault(key, set()).add(partition)
    assert set(places) == {b"1001", b"1002", b"1003"}
    assert all(len(where) == 1 for where in places.values())


def test_envelopes_hold_the_events_asked_for_and_the_last_holds_the_rest(broker: str, topic: str) -> None:
    result = run(
        "--bootstrap", broker, "--topic", topic, "--count", "25", "--envelope", "--events-per-record", "10",
        "--account", "77", "--event", "COURSE_COMPLETED", "--json",
    )  # fmt: skip
    assert (told(result)["records"], told(result)["events"]) == (3, 25)
    records = [json.loads(value) for _, _, value in read(broker, topic)]
    assert [len(record["events"]) for record in records] == [10, 10, 5]
    assert Counter(event["eventName"] for record in records for event in record["events"]) == {"COURSE_COMPLETED": 25}
    assert {record["accountId"] for record in records} == {77}


def test_a_rate_is_kept(broker: str, topic: str) -> None:
    result = run("--bootstrap", broker, "--topic", topic, "--count", "51", "--rate", "100", "--json")
    assert result.exit_code == 0
    assert told(result)["seconds"] >= 0.5


def test_a_file_is_written_byte_for_byte(broker: str, topic: str, tmp_path: Path) -> None:
    lines = [
        b'{"accountId":"acme", "events":[{"eventId":"1"},{"eventId":"2","x":1.0}]}',
        b'{ "accountId": 7,"eventName":"X" }',
    ]
    file = tmp_path / "captured.jsonl"
    file.write_bytes(b"\n".join([lines[0], b"", lines[1]]) + b"\n")
    result = run("--bootstrap", broker, "--topic", topic, "--file", str(file), "--json")
    assert (told(result)["records"], told(result)["events"]) == (2, 3)
    assert sorted((key, value) for _, key, value in read(broker, topic)) == [(b"7", lines[1]), (b"acme", lines[0])]


def test_a_bad_line_is_named_and_ends_it(broker: str, topic: str, tmp_path: Path) -> None:
    file = tmp_path / "captured.jsonl"
    file.write_text('{"accountId":1,"eventName":"X"}\n[]\n')
    result = run("--bootstrap", broker, "--topic", topic, "--file", str(file))
    assert result.exit_code == 1
    assert "line 2: expected an object with accountId" in result.stderr


def test_an_unknown_name_is_refused_with_the_nearest_and_force_writes_it(broker: str, topic: str) -> None:
    refused = run("--bootstrap", broker, "--topic", topic, "--event", "COURSE_COMPLETE")
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert "COURSE_COMPLETE is not in the catalogue (did you mean COURSE_COMPLETED?)" in said
    forced = run("--bootstrap", broker, "--topic", topic, "--event", "BADGE", "--force", "--count", "1", "--json")
    assert forced.exit_code == 0
    assert [json.loads(value)["eventName"] for _, _, value in read(broker, topic)] == ["BADGE"]


def test_several_events_need_an_envelope() -> None:
    result = run("--bootstrap", "127.0.0.1:1", "--topic", "t", "--events-per-record", "2")
    assert result.exit_code == 2
    assert "--events-per-record needs --envelope" in result.output


def test_the_summary_is_a_sentence_for_people(broker: str, topic: str) -> None:
    result = run("--bootstrap", broker, "--topic", topic, "--count", "5")
    assert result.stdout.startswith("5 events in 5 records (")


def test_no_broker_is_exit_code_2_and_says_where_it_looked() -> None:
    command = [sys.executable, "-m", "lmshooks", "emit", "--bootstrap", "127.0.0.1:1", "--topic", "t"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # As a process: the Kafka client's own lines would be on this stderr.
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "Error: Kafka is away (127.0.0.1:1): is it up, and is this its address?\n"


def test_a_topic_that_is_not_there_is_exit_code_1(broker: str) -> None:
    result = run("--bootstrap", broker, "--topic", "not-there", "--count", "1")
    assert result.exit_code == 1, result.output
    assert "there is no topic not-there" in result.stderr


def test_the_help_teaches_by_example() -> None:
    assert "lmshooks emit --count 1000 --rate 200" in run("--help").output


def test_the_topic_and_kafka_are_the_configurations(broker: str, topic: str, tmp_path: Path) -> None:
    (tmp_path / "daemon.yaml").write_text(f"kafka: {{bootstrap_servers: '{broker}', topics: [{topic}, other]}}\n")
    (tmp_path / "subscriptions").mkdir()
    (tmp_path / "subscriptions" / "none.yaml").write_text("subscriptions: []\n")
    result = run("--config", str(tmp_path), "--count", "2", "--json")
    assert result.exit_code == 0, result.output
    assert told(result)["topic"] == topic
    assert len(read(broker, topic)) == 2


# ------------------------------------------------------------------------------------------------------------- --check


def line(identity: str = "a", name: str = "OURS", account: object = 1010, **more: Any) -> str:
    event = {"eventId": identity, "eventName": name, "timestamp": 1, "data": {}, **more}
    return json.dumps({"accountId": account, **event})


def checked(content: str | bytes, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of --check on standard input, and what it tells programs."""
    result = CliRunner().invoke(emit, ("--check", "-", "--json", *arguments), input=content)
    return result.exit_code, told(result)


SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.json"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_of_alm_is_one_record_whatever_its_lines_and_nothing_is_doubtful(path: Path) -> None:
    result = run("--check", str(path), "--json")
    assert result.exit_code == 0
    (event,) = json.loads(path.read_bytes())["events"]
    found = told(result)
    assert (found["records"], found["events"], found["dead_letters"], found["doubtful"]) == (1, 1, 0, 0)
    assert found["found"] == [
        {
            "line": 1, "index": 0, "good": True, "accountId": str(json.loads(path.read_bytes())["accountId"]),
            "eventName": event["eventName"], "eventId": event["eventId"],
            "cadence": str(cadence_of(event["eventName"], {})), "doubts": [],
        }
    ]  # fmt: skip


def test_every_line_is_a_record_and_a_bad_one_is_told_with_its_line_and_why() -> None:
    code, found = checked("\n".join([line("a"), "", "nonsense", line("b", account=1.5), line("c", name="X_BATCH")]))
    assert code == 1
    assert (found["records"], found["events"], found["dead_letters"]) == (4, 2, 2)
    assert [(each["line"], each["good"]) for each in found["found"]] == [(1, True), (3, False), (4, False), (5, True)]
    assert found["found"][1]["why"].startswith("malformed: not JSON (")
    assert found["found"][2]["why"] == (
        "malformed: accountId is a number with a fraction or exponent, "
        "expected an integer or a string that is not empty"
    )
    assert [each["cadence"] for each in found["found"] if each["good"]] == ["real-time", "windowed"]


def test_of_an_envelope_the_bad_events_are_told_by_their_place() -> None:
    events = [json.loads(line(identity)) for identity in ("a", "", "c")]
    code, found = checked(json.dumps({"accountId": "acme", "events": events}, indent=2))
    assert code == 1
    assert [(each["index"], each["good"]) for each in found["found"]] == [(0, True), (1, False), (2, True)]
    assert found["found"][1]["why"] == "malformed: eventId is empty, expected a string that is not empty"


def test_a_record_over_several_lines_that_is_broken_is_one_record() -> None:
    code, found = checked('\n{\n  "accountId": 1,\n  "events": [\n}\n')
    assert (code, found["records"], found["dead_letters"]) == (1, 1, 1)
    assert found["found"][0]["line"] == 2


def test_what_is_doubtful_is_said_and_arrives_all_the_same() -> None:
    lines = [
        line("a", "COURSE_COMPLETE"),
        line("b", "CI_STATS", data={"loInstanceId": "course:1_2", "seatLimit": 3}),
        line("a", "BADGE_EARNED"),
        line("a", account="another"),
    ]
    code, found = checked("\n".join(lines))
    assert (code, found["doubtful"]) == (0, 3)
    assert [each["doubts"] for each in found["found"]] == [
        ["COURSE_COMPLETE is none of ALM's names (did you mean COURSE_COMPLETED?)"],
        ["data has no waitlistCount, enrollmentCount, which ALM's samples have"],
        ["eventId a again, first in line 1: listeners take it for the same event"],
        [],
    ]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "subscriptions").mkdir()
    (tmp_path / "daemon.yaml").write_text(
        "kafka: {bootstrap_servers: 'localhost:9092', topics: [lms.events]}\n"
        "cadences: {OURS: windowed}\nlimits: {event_bytes: 1KiB}\n"
    )
    (tmp_path / "subscriptions" / "all.yaml").write_text(
        """
subscriptions:
  - {id: crm, account: "1010", url: "https://example.com", events: [OURS], filter: {data.big: true}}
  - {id: bi, account: "*", url: "https://example.com", events: ["*"], active: false}
  - {id: off, account: "*", url: "https://example.com", events: ["*"], active: false, resume: now}
  - {id: other, account: "7", url: "https://example.com", events: ["*"]}
"""
    )
    return tmp_path


def test_with_files_it_says_who_gets_it_by_their_rules(configuration: Path) -> None:
    lines = [
        line("a", data={"big": True}),
        line("b"),
        line("c", account=7),
        line("d", data={"x": "x" * 2000}),
    ]
    code, found = checked("\n".join(lines), "--config", str(configuration))
    assert code == 1
    assert [each.get("receivers") for each in found["found"]] == [
        ["crm", "bi (held)"], ["bi (held)"], ["bi (held)", "other"], None,
    ]  # fmt: skip
    assert found["found"][0]["cadence"] == "windowed"
    size = len(lines[3].replace('"accountId": 1010,', ""))
    assert found["found"][3]["why"] == f"oversized: event of {size} bytes, expected at most 1024"


def test_who_gets_it_is_said_without_their_secrets(configuration: Path) -> None:
    file = configuration / "subscriptions" / "all.yaml"
    file.write_text(file.read_text().replace("id: crm", "id: crm, auth: {bearer: {token: {env: NOT_SET}}}"))
    code, found = checked(line("a", data={"big": True}), "--config", str(configuration))
    assert (code, found["found"][0]["receivers"]) == (0, ["crm", "bi (held)"])


def test_without_files_nobody_is_asked_for() -> None:
    _, found = checked(line())
    assert "receivers" not in found["found"][0]


def test_people_get_a_table_and_a_line(configuration: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(line("a\u001b[2J", account=8) + "\nnonsense\n")
    result = run("--check", str(file), "--config", str(configuration))
    assert result.exit_code == 1
    said = result.stdout
    assert "a?[2J" in said and "\u001b" not in said
    assert "bi (held)" in said
    assert "dead letter" in said and "malformed: not JSON" in said
    assert said.splitlines()[-1] == "1 event in 2 records, 1 dead letter, 0 doubtful, 0 that nobody gets"


def test_a_file_without_a_record_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text("\n \n")
    result = run("--check", str(file))
    assert result.exit_code == 1
    assert f"no record in {file}: expected JSON" in result.stderr


def test_what_writes_and_what_checks_are_two_things() -> None:
    result = run("--check", "-", "--topic", "t", "--event", "X", "--force")
    assert result.exit_code == 2
    assert "--check writes nothing: take --event, --topic away" in " ".join(result.output.split())
