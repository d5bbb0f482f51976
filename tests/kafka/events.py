"""What do the tests of the whole daemon write to Kafka, and what do they expect of a listener?"""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from typing import Any

from lmshooks.listener import Listener, Received

SIGNED = {"signature": {"secrets": [{"env": "SECRET"}]}}


def subscription(listener: Listener, **more: Any) -> dict[str, Any]:
    return {"id": "all", "account": "*", "events": ["*"], "url": listener.url, "auth": deepcopy(SIGNED), **more}


def kafka_of(bootstrap: str, topic: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": bootstrap, "topics": [topic], "group_id": topic, "replication_factor": 1,
        "state_topic": f"{topic}.state", "dead_letter_topic": f"{topic}.dead", "instance_id": "one",
    }  # fmt: skip


def events_of(requests: list[Received]) -> dict[str, list[tuple[float, str, str]]]:
    """Event id -> (when, account as text, the event as text) of every accepted request that carried it."""
    found: dict[str, list[tuple[float, str, str]]] = {}
    for request in requests:
        if request.status == 200:
            body = json.loads(request.body)
            for event in body["events"]:
                found.setdefault(event["eventId"], []).append((request.at, str(body["accountId"]), json.dumps(event)))
    return found


async def until_arrived(requests: list[Received], ids: set[str], timeout: float = 25.0) -> None:
    try:
        async with asyncio.timeout(timeout):
            while not ids <= events_of(requests).keys():
                await asyncio.sleep(0.05)
    except TimeoutError:
        missing = ids - events_of(requests).keys()
        raise AssertionError(f"{len(missing)} of {len(ids)} never arrived: {sorted(missing)[:5]}") from None


def event(number: int, name: str = "COURSE_ENROLLMENT") -> dict[str, Any]:
    return {"eventId": f"e{number}", "eventName": name, "timestamp": "2026-01-20T05:48:10.000Z", "data": {"n": number}}


def enveloped(account: object, *events: dict[str, Any]) -> bytes:
    return json.dumps({"accountId": account, "events": events}).encode()
