"""Does the process start, reload and stop as an operator expects, whatever the world does meanwhile?"""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from lmshooks.app import FILES_OPEN
from lmshooks.listener import Answers, Listener, Received
from tests.kafka.brokers import ApacheKafka
from tests.kafka.daemons import Daemon
from tests.kafka.events import enveloped, event, events_of, kafka_of, subscription, until_arrived
from tests.kafka.records import create_topic, produce

HANGING = Answers(hang=True)


async def until(condition: Any, timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def spawned(daemon: Daemon) -> AsyncIterator[Daemon]:
    """Started, and not waited for; ended at the end if it still runs."""
    daemon.spawn()
    try:
        yield daemon
    finally:
        await daemon.__aexit__()


async def delivered_by_a_successor(daemon: Daemon, listener: Listener, requests: list[Received], ids: set[str]) -> None:
    """What the stopped process owed comes by the next one."""
    listener.answers = Answers()
    daemon.spawn()
    await daemon.ready()
    await until_arrived(requests, ids, 60)


async def test_a_stop_with_a_hanging_endpoint_ends_within_its_deadline_and_loses_nothing(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    async with (
        Listener(answers=HANGING, on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)], drain_timeout="2s") as daemon,
    ):
        await produce(kafka, name, [enveloped(1, event(1), event(2))])
        await until(lambda: requests)
        began = time.monotonic()
        daemon.kill(signal.SIGTERM)
        assert await daemon.ended(60) == 0
        assert time.monotonic() - began < 15
        (sent, *_) = requests
        await delivered_by_a_successor(daemon, listener, requests, {"e1", "e2"})
    (again,) = [request for request in requests if request.status == 200]
    assert (again.delivery_id, again.body) == (sent.delivery_id, sent.body)


async def test_a_second_signal_stops_at_once_and_loses_nothing(kafka: str, topic: Any, tmp_path: Path) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    patient = [subscription(Listener(), timeouts={"total": "5m"})]
    async with (
        Listener(answers=HANGING, on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), patient, drain_timeout="5m") as daemon,
    ):
        daemon.subscribe([subscription(listener, timeouts={"total": "5m"})])
        await daemon.said("configuration.applied")
        await produce(kafka, name, [enveloped(1, event(1))])
        await until(lambda: requests)
        daemon.kill(signal.SIGTERM)
        await daemon.said("daemon.draining")
        assert daemon.process is not None and daemon.process.poll() is None
        daemon.kill(signal.SIGTERM)
        assert await daemon.ended(15) == 1
        await daemon.said("daemon.aborted")
        await delivered_by_a_successor(daemon, listener, requests, {"e1"})


async def test_sighup_reloads_what_is_right_and_refuses_what_is_not(kafka: str, topic: Any, tmp_path: Path) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)]) as daemon,
    ):
        daemon.kill(signal.SIGHUP)
        await daemon.said("configuration.loaded", '"by":"SIGHUP"')
        daemon.subscribe([subscription(listener, url="nonsense")])
        daemon.kill(signal.SIGHUP)
        await daemon.said("configuration.refused", "url")
        await daemon.until_told("/metrics", 200, "lmshooks_configuration_ok 0.0")
        assert "the configuration on disk has mistakes" in (await daemon.ask("/healthz"))[1]
        await produce(kafka, name, [enveloped(1, event(1))])
        await until_arrived(requests, {"e1"})
        daemon.subscribe([subscription(listener, events=["COURSE_*"])])
        daemon.kill(signal.SIGHUP)
        await daemon.said("configuration.applied")
        await daemon.until_told("/metrics", 200, "lmshooks_configuration_ok 1.0")


async def test_what_changes_nothing_is_read_and_not_said(kafka: str, topic: Any, tmp_path: Path) -> None:
    """Also a log that is written into the folder: a line for each change would be a change for each line."""
    name = await create_topic(kafka, topic("events"))
    daemon = Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(Listener())])
    daemon.log = daemon.folder / "daemon.log"
    async with daemon:
        daemon.subscribe([subscription(Listener(), url="nonsense")])
        await daemon.said("configuration.refused")
        daemon.subscribe([subscription(Listener(), events=["COURSE_*"])])
        await daemon.said("configuration.applied")
        daemon.kill(signal.SIGHUP)
        await daemon.said("configuration.loaded", '"by":"SIGHUP"')
        lines = daemon.log.read_text()
    assert lines.count('"configuration.refused"') <= 2
    assert lines.count('"configuration.loaded"') == 2


async def test_a_port_that_is_taken_is_named_and_the_process_ends(kafka: str, topic: Any, tmp_path: Path) -> None:
    name = await create_topic(kafka, topic("events"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        admin = {"host": "127.0.0.1", "port": port}
        taking = Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(Listener())], admin=admin)
        async with spawned(taking) as daemon:
            assert await daemon.ended(60) == 2
    line = await daemon.said("admin.refused")
    assert line["port"] == port
    assert "in use" in line["why"]


async def test_a_topic_that_is_not_there_ends_the_process_with_the_command_that_makes_it(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = topic("events")
    wanted = {**kafka_of(kafka, name), "create_topics": False}
    async with spawned(Daemon(tmp_path / "c", wanted, [subscription(Listener())])) as daemon:
        assert await daemon.ended(60) == 2
    assert "or take it out of kafka.topics" in (await daemon.said("topics.refused", f"topic {name} "))["why"]
    own = (await daemon.said("topics.refused", f"{name}.state"))["why"]
    assert f"kafka-topics.sh --create --topic {name}.state --partitions 1 --config cleanup.policy=compact" in own


async def test_what_kafka_speaks_is_not_what_was_set_and_the_daemons_own_line_says_so(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    wanted = {**kafka_of(kafka, topic("events")), "security": {"protocol": "SSL"}}
    async with spawned(Daemon(tmp_path / "c", wanted, [subscription(Listener())])) as daemon:
        assert "check kafka.security.protocol" in (await daemon.said("kafka.unreachable"))["why"]
        await daemon.until_told("/readyz", 503, "check kafka.security.protocol")
        daemon.kill(signal.SIGTERM)
        assert await daemon.ended(30) == 0


async def test_a_change_of_the_files_while_the_start_waits_for_kafka_is_not_missed(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        waiting = Daemon(tmp_path / "c", kafka_of(address, "events"), [subscription(Listener())])
        async with spawned(waiting) as daemon:
            await daemon.said("kafka.unreachable")
            daemon.subscribe([subscription(Listener(), events=["COURSE_*"])])
            await daemon.said("configuration.loaded", '"by":"files"')


async def test_a_shells_limit_of_open_files_is_not_ours(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "c", kafka_of("127.0.0.1:1", "events"), [subscription(Listener())])
    daemon.command = ["sh", "-c", 'ulimit -Sn 256; exec "$0" "$@"', *daemon.command]
    async with spawned(daemon):
        await daemon.said("kafka.unreachable")
        assert daemon.process is not None
        soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    assert soft == min(hard, FILES_OPEN)


async def test_a_kafka_that_is_away_at_the_start_is_waited_for(
    own_kafka: ApacheKafka, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(own_kafka.bootstrap, topic("events"))
    await produce(own_kafka.bootstrap, name, [enveloped(1, event(1))])
    await asyncio.to_thread(own_kafka.stop)
    requests: list[Received] = []
    async with (
        Listener(on_request=requests.append) as listener,
        spawned(Daemon(tmp_path / "c", kafka_of(own_kafka.bootstrap, name), [subscription(listener)])) as daemon,
    ):
        assert "nothing listens there" in (await daemon.said("kafka.unreachable"))["why"]
        await daemon.until_told("/readyz", 503, "nothing listens there")
        await asyncio.to_thread(own_kafka.start)
        await daemon.ready(120)
        await until_arrived(requests, {"e1"}, 60)
        daemon.kill(signal.SIGTERM)
        assert await daemon.ended(30) == 0


async def test_half_a_minute_without_kafka_under_traffic_loses_nothing_and_says_so(
    own_kafka: ApacheKafka, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(own_kafka.bootstrap, topic("events"))
    acknowledged: list[str] = []
    requests: list[Received] = []
    kafka = {**kafka_of(own_kafka.bootstrap, name), "request_timeout": "2s"}
    stop = asyncio.Event()

    async def traffic() -> None:
        """Ten events at a time; of those that were not acknowledged nothing is known."""
        number = 0
        while not stop.is_set():
            numbers = range(number, number + 10)
            number += 10
            try:
                async with asyncio.timeout(10):
                    await produce(own_kafka.bootstrap, name, [enveloped(1, event(one)) for one in numbers])
                acknowledged.extend(f"e{one}" for one in numbers)
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.5)

    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka, [subscription(listener)]) as daemon,
    ):
        producing = asyncio.create_task(traffic())
        try:
            await until(lambda: len(events_of(requests)) >= 50)
            await asyncio.to_thread(own_kafka.kill)
            gone = time.monotonic()
            before = len(acknowledged)
            await daemon.until_told("/readyz", 503)
            assert "nothing comes in" in (told := (await daemon.ask("/readyz"))[1]) or "has not answered" in told
            assert (await daemon.ask("/healthz"))[0] == 200  # to restart it would help nobody
            await until(lambda: time.monotonic() - gone > 30)  # the outage itself, not a wait for anything
            await asyncio.to_thread(own_kafka.start)
            await until(lambda: len(acknowledged) >= before + 50, 120)
        finally:
            stop.set()
            await producing
        await until_arrived(requests, set(acknowledged), 120)
        await daemon.until_told("/readyz", 200)
        assert daemon.process is not None and daemon.process.poll() is None
        firsts = [int(one[1:]) for one in events_of(requests)]
        assert firsts == sorted(firsts)
