"""Does every query of the dashboard and of the alerts find something? A real Prometheus scrapes a daemon under load.

The load has some of everything that the metrics tell: endpoints that take, fail and are gone, a window, malformed
events, records that expire, a Kafka that does not answer for a moment, an instance that comes and goes.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from lmshooks import samples
from lmshooks.adapters.metrics import METRICS
from lmshooks.listener import Answers, Listener, Received
from tests.deploy.prometheus import Prometheus
from tests.deploy.tools import ROOT, tool
from tests.kafka.brokers import ApacheKafka
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "lmshooks.json").read_text())
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
VARIABLES = {"$job": "lmshooks", "$instance": ".*", "$subscription": ".*", "$__rate_interval": "1m"}
STATUSES = {"/ok": 200, "/failing": 500, "/retired": 500, "/gone": 410}
METRIC = r"\b(?:lmshooks_\w+|process_\w+|up)\b(?:\{[^}]*\})?"


def queries() -> list[tuple[str, str]]:
    """(where it stands, expression) of all that is asked."""
    asked = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            asked.append((f"variable {variable['name']}", f"count by ({label}) ({selector})"))
    # What has happened lately is no claim about what it is made of.
    notes = DASHBOARD["annotations"]["list"]
    asked += [(f"annotation {note['name']}", note["expr"].replace("> 0", ">= 0")) for note in notes]
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            # The alerts of a daemon that is well find nothing; what they look at must be there all the same.
            metrics = re.findall(METRIC, rule["expr"])
            asked += [(rule["alert"], re.sub(r'state=~?"[^"]*"', "", metric)) for metric in metrics]
    for name, value in VARIABLES.items():
        asked = [(where, expression.replace(name, value)) for where, expression in asked]
    return asked


def test_every_metric_is_looked_at() -> None:
    """What nobody looks at need not be counted."""
    looked_at = " ".join(expression for _, expression in queries())
    assert [name for name in METRICS if name not in looked_at] == []


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            assert len(panel["description"]) > 30, panel["title"]
            defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
            assert "unit" in defaults or overrides, panel["title"]


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


async def test_every_query_finds_something(tmp_path: Path, own_kafka: ApacheKafka, topic: Callable[..., str]) -> None:
    source = topic("lms")
    tool("prometheus")  # skips here, rather than in the middle
    await create_topic(own_kafka.bootstrap, source, partitions=2)
    stop = asyncio.Event()

    statuses = dict(STATUSES)

    def answer(received: Received) -> Answers:
        return Answers(statuses[received.path])

    async with Listener(answers=answer) as listener:
        subscriptions: list[dict[str, Any]] = [
            {"id": path[1:], "account": "*", "events": ["*"], "url": listener.url.rstrip("/") + path,
             "retry": {"initial": "500ms", "ceiling": "500ms"}}
            for path in STATUSES
        ]  # fmt: skip
        kafka = {
            "bootstrap_servers": own_kafka.bootstrap, "topics": [source], "group_id": source,
            "state_topic": f"{source}.state", "dead_letter_topic": f"{source}.dead", "replication_factor": 1,
            "request_timeout": "1s",
        }  # fmt: skip
        limits = {"write_timeout": "1s", "queue_events": 20}
        more: dict[str, Any] = {"windows": {"default": {"every": "2s"}}, "limits": limits}
        daemon = Daemon(tmp_path / "one", kafka, subscriptions, **more)
        second = Daemon(tmp_path / "two", kafka, subscriptions, **more)
        prometheus = Prometheus(tmp_path / "prometheus", [f"127.0.0.1:{daemon.port.number}"], ALERTS)
        with prometheus:
            async with daemon:
                loading = asyncio.create_task(_write(own_kafka.bootstrap, source, stop))
                try:
                    await _until(daemon, r'lmshooks_lanes\{state="failing"\} [1-9]')
                    async with second:
                        await _until(second, r'lmshooks_partitions\{state="running"\} 1')
                    await _until(daemon, r'lmshooks_partitions\{state="running"\} 2')
                    await _expire(own_kafka.bootstrap, source)
                    statuses["/failing"] = 200  # so that it comes to what the log does not hold any more
                    await _until(daemon, r'lmshooks_expired_records_total\{subscription="failing"\}')
                    statuses["/failing"] = STATUSES["/failing"]
                    subscriptions[2] |= {"active": False, "resume": "now"}
                    daemon.subscribe(subscriptions)
                    own_kafka.pause()
                    await _until(daemon, r"lmshooks_stalls_total\{")
                    own_kafka.resume()
                    await _until(daemon, r"lmshooks_given_up_events_total\{")
                    await _answered(prometheus, queries())
                finally:
                    own_kafka.resume()
                    stop.set()
                    await loading
            rules = prometheus.get("rules")["groups"]
    states = {rule["name"]: rule["health"] for group in rules for rule in group["rules"]}
    assert len(states) > 20
    assert set(states.values()) == {"ok"}, states


async def _write(bootstrap: str, topic: str, stop: asyncio.Event) -> None:
    """A hundred events a second, at most 20,000; one in fifty is malformed, every other waits for a window."""
    rng = random.Random(1)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for number in range(20_000):
        if stop.is_set():
            break
        name = ("COURSE_ENROLLMENT", "COURSE_COMPLETED_BATCH")[number % 2]
        event = samples.make_event(name, "1001", number, 1_790_000_000.0, rng)
        value = json.dumps(samples.bare("1001", event)) if number % 50 else "no event"
        await producer.send(topic, value.encode(), partition=number // 2 % 2)
        await asyncio.sleep(0.01)  # the rate; nothing is waited for by it
    await producer.stop()


async def _expire(bootstrap: str, topic: str) -> None:
    """The retention takes all that there is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, number): RecordsToDelete(-1) for number in (0, 1)})
    finally:
        await admin.close()


async def _until(daemon: Daemon, pattern: str) -> None:
    """Wait until the daemon's metrics hold it."""
    text = ""
    try:
        async with asyncio.timeout(60):
            while not re.search(pattern, text):
                await asyncio.sleep(0.1)
                text = await asyncio.to_thread(_metrics, daemon)
    except TimeoutError:
        raise AssertionError(f"{pattern} did not come: {daemon.log.read_text()[-2000:]}") from None


def _metrics(daemon: Daemon) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port.number}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


async def _answered(prometheus: Prometheus, asked: list[tuple[str, str]]) -> None:
    """Ask all of them until each has found something once."""
    waiting = asked
    try:
        async with asyncio.timeout(60):
            while waiting:
                empty = []
                for where, expression in waiting:
                    if not await asyncio.to_thread(prometheus.query, expression):
                        empty.append((where, expression))
                waiting = empty
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{len(waiting)} of {len(asked)} found nothing: {waiting}") from None
