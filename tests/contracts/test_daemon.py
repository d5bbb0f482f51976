"""The contracts, against a daemon that runs: what it posts, what it buries, and what its admin port answers."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from jsonschema import Draft7Validator, Draft202012Validator

from lmshooks.contracts import schemas
from lmshooks.contracts.asyncapi import asyncapi
from lmshooks.contracts.lines import lines
from lmshooks.contracts.openapi import openapi
from lmshooks.core.catalogue import CATALOGUE
from lmshooks.listener import Answers, Listener, Received
from tests.kafka.clients import until
from tests.kafka.daemons import Daemon
from tests.kafka.events import kafka_of
from tests.kafka.records import consume, create_topic, produce

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.json"))
ASYNC, OPEN = asyncapi(), openapi()
SIGNED = {"signature": {"secrets": [{"env": "SECRET"}, {"env": "SECRET"}]}}


def answers(request: Received) -> Answers:
    """Each path is a listener of its own."""
    return {"/broken": Answers(500), "/gone": Answers(410), "/picky": Answers(422)}.get(request.path, Answers())


def closed(value: Any) -> Any:
    """A schema in which what is not named is not allowed: what is answered is all in the document."""
    if isinstance(value, list):
        return [closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    tight = {key: closed(each) for key, each in value.items()}
    if "properties" in tight and tight.get("type") == "object":
        tight.setdefault("additionalProperties", False)
    return tight


def check(name: str, value: Any) -> None:
    schemas_ = closed(OPEN["components"]["schemas"])
    Draft202012Validator({**schemas_[name], "components": {"schemas": schemas_}}).validate(value)


async def ask(daemon: Daemon, path: str) -> tuple[int, Any]:
    def asking() -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port.number}{path}", timeout=10) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    return await asyncio.to_thread(asking)


def checked_delivery(request: Received) -> dict[str, Any]:
    """The body of a request that is as both documents say."""
    message = ASYNC["components"]["messages"]["delivery"]
    Draft7Validator(message["headers"]).validate({name.lower(): value for name, value in request.headers.items()})
    body: dict[str, Any] = json.loads(request.body)
    Draft202012Validator(closed(schemas.bodies()) | {"$defs": schemas.bodies()["$defs"]}).validate(body)
    Draft7Validator({**message["payload"], "components": ASYNC["components"]}).validate(body)
    for event in body["events"]:
        Draft202012Validator(schemas.bodies(event["eventName"])).validate({**body, "events": [event]})
    return body


async def test_what_a_daemon_posts_buries_and_answers_is_as_the_contracts_say(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    async with Listener(answers=answers, on_request=requests.append) as listener:

        def subscription(identity: str, **more: Any) -> dict[str, Any]:
            url = f"{listener.url}{identity}"
            return {"id": identity, "account": "*", "events": ["*"], "url": url, **more}

        quick = {"initial": "100ms", "ceiling": "200ms"}
        subscriptions = [
            subscription("signed", auth=SIGNED, max_events=3),
            subscription("basic", auth={"basic": {"username": "lms", "password": {"env": "SECRET"}}}),
            subscription("broken", retry={"initial": "2s"}),
            subscription("gone"),
            subscription("picky", events=["CI_STATS"], retry=quick),
            subscription("idle", active=False),
        ]
        values = [json.dumps(json.loads(path.read_bytes())).encode() for path in SAMPLES]
        more = {
            "windows": {"default": {"every": "2s"}},
            "limits": {"event_bytes": "1KiB", "subscriptions_per_account": 6},
        }
        async with Daemon(tmp_path / "c", kafka_of(kafka, name), subscriptions, **more) as one:
            check("Ready", (await ask(one, "/readyz"))[1])
            big = json.dumps(
                {"accountId": 1, "eventId": "b", "eventName": "X", "timestamp": 1, "data": {"x": "x" * 2000}}
            )
            await produce(kafka, name, [*values, b"no event", big.encode()])

            def carried() -> set[str]:
                bodies = [json.loads(each.body) for each in requests if each.path == "/signed"]
                return {event["eventName"] for body in bodies for event in body["events"]}

            await until(lambda: carried() == set(CATALOGUE), 60)
            await until(lambda: {each.path for each in requests} >= {"/basic", "/broken", "/gone", "/picky"}, 60)
            letters: list[Any] = []
            async with asyncio.timeout(60):
                while len(letters) < 3:
                    letters = await consume(kafka, f"{name}.dead")
            states: set[str] = set()
            async with asyncio.timeout(60):
                while not states >= {"suspended", "inactive", "active"}:
                    status, told = await ask(one, "/status")
                    check("Status", told)
                    states = {each["state"] for each in told["subscriptions"]}
            assert status == 200
            assert told["partitions"] and told["windows"]
            assert {each["id"] for each in told["subscriptions"] if each["failing_for"] is not None} >= {"broken"}
            health, said = await ask(one, "/healthz")
            check("Health", said)
            assert (health, bool(said["loops"])) == (200, True)
            check("Configuration", (await ask(one, "/configuration"))[1])
            one.subscribe([subscription("signed", url="nonsense")])
            async with asyncio.timeout(60):
                while not said["reasons"]:
                    health, said = await ask(one, "/healthz")
                    check("Health", said)
            check("Status", (await ask(one, "/status"))[1])

    for request in requests:
        checked_delivery(request)
    said = [json.loads(line) for line in one.log.read_text().splitlines()]
    validator = Draft202012Validator(lines())
    for line in said:
        validator.validate(line)
        if (fact := lines()["$defs"].get(line["event"])) is not None:
            assert line.keys() <= fact["properties"].keys() | {"event", "level", "timestamp"}
    assert {"delivery.attempted", "letter.written", "subscription.suspended", "window.closed"} <= {
        line["event"] for line in said
    }
    signatures = [each.headers["webhook-signature"] for each in requests if each.path == "/signed"]
    assert signatures and all(each.count("v1,") == 2 for each in signatures)
    headers = Draft7Validator(closed(ASYNC["components"]["messages"]["deadLetter"]["headers"]))
    found = [{key: value.decode() for key, value in letter.headers} for letter in letters]
    for each in found:
        headers.validate(each)
    assert {each["lmshooks-reason"] for each in found} == {"malformed", "oversized", "rejected"}
