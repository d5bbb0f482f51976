"""The producers that an LMS's engineers paste, against Apache Kafka: keys, order, and a broker that dies meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.brokers import ApacheKafka
from tests.kafka.jars import jars
from tests.kafka.records import consume, create_topic

ROOT = Path(__file__).resolve().parents[2] / "docs" / "producers"
ACCOUNTS: list[Any] = [1010, "acme", 2**70, "é", 7]


def _python(folder: Path) -> list[str]:
    return [sys.executable, str(ROOT / "python" / "producer.py")]


def _java(folder: Path) -> list[str]:
    compiler, java = shutil.which("javac"), shutil.which("java")
    if compiler is None or java is None:
        pytest.skip("no producer in java: there is no javac here")
    path = ":".join(str(jar) for jar in sorted(jars().glob("*.jar")))
    command = [compiler, "-Werror", "-Xlint:all,-path,-classfile", "-cp", path, "-d", str(folder)]
    done = subprocess.run([*command, str(ROOT / "java" / "Producer.java")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}:{path}", "Producer"]


LANGUAGES: dict[str, Callable[[Path], list[str]]] = {"python": _python, "java": _java}


@pytest.fixture(scope="module", params=LANGUAGES)
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return LANGUAGES[request.param](tmp_path_factory.mktemp(request.param))


def record(number: int) -> bytes:
    account = ACCOUNTS[number % len(ACCOUNTS)]
    # As a producer may write it: spaces, escapes and an integer beyond 64 bits stay as they are.
    return b'{"accountId": %b, "eventId":"e%d","eventName":"X","timestamp":1.0,"data":{"n":"\\u00e9"}}' % (
        json.dumps(account).encode(),
        number,
    )


async def placed(bootstrap: str, topic: str) -> dict[str, dict[int, list[bytes]]]:
    """Key -> partition -> values in order."""
    found: dict[str, dict[int, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    for one in await consume(bootstrap, topic):
        assert one.key is not None and one.value is not None
        found[one.key.decode()][one.partition].append(one.value)
    return found


def expected(count: int) -> dict[str, list[bytes]]:
    values: dict[str, list[bytes]] = defaultdict(list)
    for number in range(count):
        values[str(ACCOUNTS[number % len(ACCOUNTS)])].append(record(number))
    return values


def numbers(values: list[bytes]) -> list[int]:
    """Of which records they are: what is missing, doubled or out of order is easier to see so."""
    return [int(json.loads(value)["eventId"][1:]) for value in values]


async def test_an_account_is_one_key_in_one_partition_in_order_byte_for_byte(
    command: list[str], kafka: str, topic: Any
) -> None:
    name = await create_topic(kafka, topic("lms"), 4)
    done = await asyncio.to_thread(
        subprocess.run, [*command, kafka, name], input=b"\n".join(map(record, range(3000))) + b"\n",
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"3000 records written" in done.stdout
    found = await placed(kafka, name)
    assert {key: len(partitions) for key, partitions in found.items()} == {str(one): 1 for one in ACCOUNTS}
    assert {key: next(iter(partitions.values())) for key, partitions in found.items()} == expected(3000)


async def test_what_kafka_does_not_take_ends_it_and_says_where_to_begin_again(
    command: list[str], kafka: str, topic: Any
) -> None:
    name = await create_topic(kafka, topic("lms"), 1, max_message_bytes="20000")
    # More than goes out at once before it, so that some are acknowledged when it fails.
    lines = [b'{"accountId":1,"n":%d,"x":"%s"}' % (number, b"x" * 100) for number in range(2000)]
    lines[1900] = b'{"accountId":1,"x":"%s"}' % (b"x" * 30_000)
    done = await asyncio.to_thread(
        subprocess.run, [*command, kafka, name], input=b"\n".join(lines), capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 1
    said = re.search(rb"(\d+) records are written; begin again after them, same ids", done.stderr)
    assert said is not None, done.stderr
    written = int(said[1])
    assert 0 < written <= 1900
    assert [one.value for one in await consume(kafka, name)][:written] == lines[:written]


async def test_both_put_an_account_into_the_same_partition(kafka: str, topic: Any, tmp_path: Path) -> None:
    name = await create_topic(kafka, topic("lms"), 16)
    for language, make in LANGUAGES.items():
        folder = tmp_path / language
        folder.mkdir()
        lines = b"\n".join(b'{"accountId":%d}' % account for account in range(100))
        done = await asyncio.to_thread(
            subprocess.run, [*make(folder), kafka, name], input=lines, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
    found = await placed(kafka, name)
    assert {key: [len(values) for values in partitions.values()] for key, partitions in found.items()} == {
        str(account): [2] for account in range(100)
    }


async def test_a_broker_that_dies_meanwhile_neither_doubles_nor_disorders(
    command: list[str], own_kafka: ApacheKafka, topic: Any
) -> None:
    name = await create_topic(own_kafka.bootstrap, topic("lms"), 4)
    process = await asyncio.create_subprocess_exec(
        *command, own_kafka.bootstrap, name,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        process.stdin.writelines(record(number) + b"\n" for number in range(2500))
        async with asyncio.timeout(60):
            while not await consume(own_kafka.bootstrap, name):
                await asyncio.sleep(0.05)
        own_kafka.kill()
        rest = b"".join(record(number) + b"\n" for number in range(2500, 5000))
        async with asyncio.timeout(120):
            (said, complained), _ = await asyncio.gather(process.communicate(rest), asyncio.to_thread(own_kafka.start))
        assert process.returncode == 0, complained
        assert b"5000 records written" in said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = {
        key: next(iter(partitions.values())) for key, partitions in (await placed(own_kafka.bootstrap, name)).items()
    }
    assert {key: numbers(values) for key, values in found.items()} == {
        key: numbers(values) for key, values in expected(5000).items()
    }
    assert found == expected(5000)
