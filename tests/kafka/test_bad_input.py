"""Does the feed go on whatever a record says, and is nothing lost where its dead letter cannot be written?"""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from aiokafka.structs import ConsumerRecord

from lmshooks.core.positions import Partition
from lmshooks.core.records import Kind, lane_key, part_key
from lmshooks.listener import Listener, Received
from tests.kafka.clients import admin_of
from tests.kafka.daemons import Daemon
from tests.kafka.events import enveloped, event, events_of, kafka_of, subscription, until_arrived
from tests.kafka.records import consume, create_topic, produce

EVENT = b'"eventId":"%b","eventName":"X","timestamp":1,"data":{%b}'


def one(identity: bytes, data: bytes = b"") -> bytes:
    """An envelope with this event in it, its data as JSON text."""
    return b'{"accountId":1,"events":[{' + EVENT % (identity, data) + b"}]}"


REFUSED = {
    b'{"accountId":1,"events":[{' + EVENT % (b"s1", b'"a":"\\ud800"') + b"}]}": "not JSON",
    one(b"h1", b'"a":1e999,"b":"\\\\"'): "not JSON",
    one(b"n1", b'"a":NaN'): "not JSON",
    b'{"accountId":1,"accountId":2,' + EVENT % (b"d1", b"") + b"}": "two members accountId",
    b'{"accountId":1,"events":[{"eventId":"other",' + EVENT % (b"d2", b"") + b"}]}": "two members eventId",
    one(b"g1", b'"a":' + b"[" * 5000 + b"]" * 5000): "not JSON",
    b'{"accountId":true,"events":[{' + EVENT % (b"a1", b"") + b"}]}": "accountId is a boolean",
    b'{"accountId":1,"events":[]}': "events is empty",
    b"\xef\xbb\xbf" + one(b"b1"): "not JSON",
    b"\x00" * 100: "not JSON",
}
CARRIED = {
    "big number": one(b"c1", b'"a":123456789012345678901234567890,"b":1.0,"c":-0'),
    "a number beyond a double": one(b"c6", b'"a":1e999'),
    "deep": one(b"c2", b'"a":' + b"[" * 500 + b"]" * 500),
    "twice the same member in data": one(b"c3", b'"a":1,"a":2'),
    "2 MB": one(b"c4", b'"a":"' + b"x" * 2_000_000 + b'"'),
    "an unknown name": one(b"c5"),
}


async def letters_of(bootstrap: str, name: str, count: int) -> list[ConsumerRecord]:
    async with asyncio.timeout(60):
        while len(letters := await consume(bootstrap, f"{name}.dead")) < count:
            await asyncio.sleep(0.2)
    return letters


async def test_each_is_delivered_to_the_byte_or_a_dead_letter_with_its_reason(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"), max_message_bytes="8388608")
    requests: list[Received] = []
    wanted = [subscription(Listener(), id=one, events=events) for one, events in (("name", ["X"]), ("glob", ["?"]))]
    async with Listener(on_request=requests.append) as listener:
        for entry, path in zip(wanted, ("name", "glob"), strict=True):
            entry["url"] = listener.url + path
        async with Daemon(tmp_path / "c", kafka_of(kafka, name), wanted):
            offsets = await produce(kafka, name, [*REFUSED, *CARRIED.values()])
            async with asyncio.timeout(60):
                while sum(len(json.loads(request.body)["events"]) for request in requests) < 2 * len(CARRIED):
                    await asyncio.sleep(0.05)
            letters = await letters_of(kafka, name, len(REFUSED))
    for path in ("/name", "/glob"):
        sent = b"".join(request.body for request in requests if request.path == path)
        for what, value in CARRIED.items():
            assert value.partition(b'"events":[')[2].removesuffix(b"]}") in sent, f"{what}, to {path}"
    told = {int(dict(letter.headers)["lmshooks-offset"]): letter for letter in letters}
    for offset, (value, why) in zip(offsets, REFUSED.items(), strict=False):
        assert told[offset].value == value
        assert why in dict(told[offset].headers)["lmshooks-why"].decode()
        assert dict(told[offset].headers)["lmshooks-reason"] == b"malformed"


async def test_an_event_over_the_limit_is_a_dead_letter_and_its_neighbours_are_delivered(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    large = {**event(2), "data": {"a": "x" * 60_000}}
    limits = {"event_bytes": "50KiB"}
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)], limits=limits),
    ):
        await produce(kafka, name, [enveloped(1, event(1), large, event(3))])
        await until_arrived(requests, {"e1", "e3"})
        (letter,) = await letters_of(kafka, name, 1)
    assert "e2" not in events_of(requests)
    headers = dict(letter.headers)
    assert (headers["lmshooks-reason"], headers["lmshooks-index"]) == (b"oversized", b"1")


async def test_a_letter_that_cannot_be_written_holds_nothing_up_and_outlives_a_kill(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    settings = {**kafka_of(kafka, name), "request_timeout": "1s"}
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", settings, [subscription(listener)]) as daemon,
    ):
        async with admin_of(kafka) as admin:
            await admin.delete_topics([f"{name}.dead"])
        (offset,) = await produce(kafka, name, [b"no event"])
        await produce(kafka, name, [enveloped(1, event(number)) for number in range(20)])
        await until_arrived(requests, {f"e{number}" for number in range(20)})
        await daemon.said("letter.unwritten")
        await daemon.until_told("/metrics", 200, "lmshooks_pending_dead_letters 1.0")
        # The feed's commit is past the bad record by now; what is left of it is in the state topic alone.
        await daemon.until_told("/metrics", 200, f'lmshooks_uncommitted_records{{partition="0",topic="{name}"}} 0.0')
        daemon.kill(signal.SIGKILL)
        await daemon.ended()
        daemon.spawn()  # makes the topic anew
        await daemon.ready()
        (letter,) = await letters_of(kafka, name, 1)
        await daemon.until_told("/metrics", 200, "lmshooks_pending_dead_letters 0.0")
    assert letter.value == b"no event"
    assert dict(letter.headers)["lmshooks-offset"] == str(offset).encode()


async def test_a_state_record_that_cannot_be_read_holds_its_partition_alone_until_it_is_removed(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"), 2)
    requests: list[Received] = []
    key = lane_key(Partition(name, 0), Kind.REAL_TIME, "another")
    async with (
        Listener(on_request=requests.append) as listener,
        Daemon(tmp_path / "c", kafka_of(kafka, name), [subscription(listener)]) as daemon,
    ):
        await produce(kafka, name, [enveloped(1, event(1)), enveloped(2, event(2))])
        await until_arrived(requests, {"e1", "e2"})
        daemon.kill(signal.SIGTERM)
        assert await daemon.ended() == 0
        # Over what counts, bytes that nobody of ours would write change nothing.
        await produce(kafka, f"{name}.state", [b"\x00 not JSON"], key=part_key(Partition(name, 0)))
        for broken in (b"\x00 not JSON", b'{"t":1000000000,"s":1,"v":99}'):
            await produce(kafka, f"{name}.state", [broken], key=key)
            number = 10 + 10 * len(broken)
            daemon.spawn()
            line = await daemon.said("state.unreadable")
            assert (line["level"], line["partition"], line["key"]) == ("error", f"{name}/0", key.decode())
            await produce(kafka, name, [enveloped(1, event(number))], partition=0)
            await produce(kafka, name, [enveloped(2, event(number + 1))], partition=1)
            await until_arrived(requests, {f"e{number + 1}"}, 60)
            assert f"e{number}" not in events_of(requests)
            assert daemon.process is not None and daemon.process.poll() is None
            await produce(kafka, f"{name}.state", [None], key=key)
            await until_arrived(requests, {f"e{number}"}, 60)
            daemon.kill(signal.SIGTERM)
            assert await daemon.ended() == 0
            daemon.log.unlink()
    firsts = list(events_of(requests))
    assert len(firsts) == 6
