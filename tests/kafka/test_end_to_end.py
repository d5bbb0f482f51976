"""Does it do what it says? A real Kafka, the daemon as a process, a real listener."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from lmshooks.core.catalogue import Cadence, cadence_of
from lmshooks.core.keys import parse_secret
from lmshooks.listener import Listener, Received
from tests.kafka.brokers import ApacheKafka
from tests.kafka.daemons import SECRET, Daemon
from tests.kafka.events import enveloped, event, events_of, kafka_of, subscription, until_arrived
from tests.kafka.records import consume, create_topic, produce

SAMPLES = sorted((Path(__file__).parent.parent / "samples").glob("*.json"))


async def test_every_sample_arrives_unchanged_in_both_shapes_and_windowed_ones_not_before_the_close(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"), 2)
    requests: list[Received] = []
    sent: dict[str, tuple[str, str, bool]] = {}
    values: list[bytes] = []
    for path in SAMPLES:
        envelope = json.loads(path.read_bytes())
        account, windowed = envelope["accountId"], False
        for shape in ("enveloped", "bare"):
            changed = [{**one, "eventId": f"{path.stem}-{shape}-{at}"} for at, one in enumerate(envelope["events"])]
            for one in changed:
                windowed = cadence_of(one["eventName"], {}) is Cadence.WINDOWED
                sent[one["eventId"]] = (str(account), json.dumps(one), windowed)
            if shape == "enveloped":
                values.append(enveloped(account, *changed))
            else:
                values += [json.dumps({"accountId": account, **one}).encode() for one in changed]
    every = 6.0
    async with (
        Listener(secrets=[parse_secret(SECRET)], on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)], windows={"default": {"every": "6s"}}),
    ):
        # Well before a close, so that arriving before it and arriving after it are two things.
        while not 0.5 < time.time() % every < 2.5:
            await asyncio.sleep(0.05)
        close = time.time() // every * every + every
        await produce(kafka, name, values)
        await until_arrived(requests, set(sent))
    arrived = events_of(requests)
    assert arrived.keys() == sent.keys()
    for event_id, (account, text, windowed) in sent.items():
        (at, to, got), *again = arrived[event_id]
        assert not again, f"{event_id} arrived {1 + len(again)} times"
        assert (to, got) == (account, text)
        assert (at >= close) is windowed, f"{event_id} arrived {at - close:.3f} s after the close"


async def test_what_is_sent_verifies_with_the_reference_library(kafka: str, topic: Any, tmp_path: Path) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)]),
    ):
        await produce(kafka, name, [enveloped(1010, event(1))])
        await until_arrived(requests, {"e1"})
    (request,) = requests
    verified = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert verified["accountId"] == 1010


async def test_what_is_no_event_becomes_a_dead_letter_and_the_feed_goes_on(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"))
    deep = b'{"accountId": 1, "events": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    bad: list[bytes | None] = [
        b"this is not JSON",
        b'{"accountId": 1, "events": [\xff\xfe]}',
        b"[1, 2, 3]",
        b"42",
        b"",
        json.dumps({"events": [event(90)]}).encode(),
        json.dumps(event(91)).encode(),
        b'{"accountId": 1, "events": {}}',
        b'{"accountId": 1, "events": [7]}',
        deep,
        None,
    ]
    good = [enveloped(1, event(number)) for number in range(len(bad))]
    mixed = [value for pair in zip(bad, good, strict=True) for value in pair]
    many = [event(number) for number in range(1000, 2000)]
    requests: list[Received] = []
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)]),
    ):
        offsets = await produce(kafka, name, [*mixed, enveloped("big", *many)], key=b"1")
        wanted = {f"e{number}" for number in (*range(len(bad)), *range(1000, 2000))}
        await until_arrived(requests, wanted)
        async with asyncio.timeout(10):
            while len(letters := await consume(kafka, f"{name}.dead")) < len(bad):
                await asyncio.sleep(0.1)
    assert events_of(requests).keys() == wanted
    told = {int(dict(letter.headers)["lmshooks-offset"]): letter for letter in letters}
    assert sorted(told) == offsets[0 : 2 * len(bad) : 2]
    for offset, value in zip(offsets[0 : 2 * len(bad) : 2], bad, strict=True):
        assert told[offset].value == value
        assert dict(told[offset].headers)["lmshooks-reason"] == b"malformed"


async def test_a_changed_file_acts_without_a_restart_and_a_broken_one_changes_nothing(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)]) as daemon,
    ):
        await produce(kafka, name, [enveloped(1, event(1))])
        await until_arrived(requests, {"e1"})
        daemon.subscribe([subscription(listener, events=["NO_SUCH_*"], id="other", url="nonsense")])
        async with asyncio.timeout(10):
            while b"configuration.refused" not in daemon.log.read_bytes():
                await asyncio.sleep(0.05)
        await produce(kafka, name, [enveloped(1, event(2))])
        await until_arrived(requests, {"e2"})
        daemon.subscribe([subscription(listener, events=["COURSE_COMPLETED"])])
        async with asyncio.timeout(10):
            while b"configuration.applied" not in daemon.log.read_bytes():
                await asyncio.sleep(0.05)
        await produce(kafka, name, [enveloped(1, event(3)), enveloped(1, event(4, "COURSE_COMPLETED"))])
        await until_arrived(requests, {"e4"})
    assert "e3" not in events_of(requests)


async def test_a_kafka_that_goes_away_and_comes_back_loses_nothing_and_disorders_nothing(
    own_kafka: ApacheKafka, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(own_kafka.bootstrap, topic("events"))
    requests: list[Received] = []
    kafka = {**kafka_of(own_kafka.bootstrap, name), "request_timeout": "3s"}
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka, [subscription(listener)]),
    ):
        await produce(own_kafka.bootstrap, name, [enveloped(1, event(number)) for number in range(50)])
        await until_arrived(requests, {f"e{number}" for number in range(50)})
        await asyncio.to_thread(own_kafka.kill)
        await asyncio.sleep(2)
        await asyncio.to_thread(own_kafka.start)
        await produce(own_kafka.bootstrap, name, [enveloped(1, event(number)) for number in range(50, 100)])
        await until_arrived(requests, {f"e{number}" for number in range(100)}, 60)
    firsts = list(events_of(requests))
    assert firsts == [f"e{number}" for number in range(100)]
