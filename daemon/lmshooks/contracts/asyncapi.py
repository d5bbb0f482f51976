"""Which messages come and go? AsyncAPI 3: the source topics, our own two, and the webhooks.

producers ──source──> lmshooks ──webhook──> listeners
                         ├──deadLetters──> operators
                         └──state (its own: opaque)
"""

from __future__ import annotations

from typing import Any

from lmshooks import __version__
from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.adapters.topics import DEAD_LETTER_CONFIG, STATE_CONFIG
from lmshooks.contracts.answers import ANSWERS
from lmshooks.contracts.headers import dead_letter_headers, webhook_headers
from lmshooks.contracts.schemas import ACCOUNT_ID, bare_of, body_of, envelope_of, event
from lmshooks.contracts.shapes import Schema
from lmshooks.core.catalogue import CATALOGUE

_ACCOUNT, _ANY = {"$ref": "#/components/schemas/accountId"}, {"$ref": "#/components/schemas/event"}


def asyncapi() -> dict[str, Any]:
    """The document, as plain values."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lmshooks: topics and webhooks",
            "version": __version__,
            "description": (
                "Learning events come from Kafka topics and go to webhooks. Delivery is at least once and in order "
                "within an account; what cannot be delivered goes to the dead-letter topic with its reason. "
                "Payloads are those of Adobe Learning Manager's webhooks."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {"schemas": _schemas(), "messages": _messages()},
    }


def component(name: str) -> str:
    """The key of an event name among the components, and of its files: a colon is no letter there."""
    return name.replace(":", ".")


def _schemas() -> dict[str, Schema]:
    named = {component(name): event(name) for name in CATALOGUE}
    # The last alternative takes every event, as the daemon does; those before it say what ALM's names hold.
    known: Schema = {
        "description": "An event of ALM's names as its samples show it, or any other.",
        "anyOf": [*({"$ref": f"#/components/schemas/{each}"} for each in named), _ANY],
    }
    return {"accountId": ACCOUNT_ID, "event": event(), "knownEvent": known, **named}


def _channels() -> dict[str, Any]:
    settings = KafkaSettings(bootstrap_servers="")
    return {
        "source": {
            "address": "{topic}",
            "title": "Source topics",
            "description": "The queue itself: the topic's retention is the longest time that an endpoint may be down.",
            "parameters": {"topic": {"description": "One of kafka.topics, or a match of kafka.topic_pattern."}},
            "messages": _named("envelope", "bareEvent"),
        },
        "deadLetters": {
            "address": settings.dead_letter_topic,
            "title": "Dead letters",
            "description": (
                "What was given up, and why. A letter may be there twice: its topic, partition, offset, index and "
                "subscription name it. The address is the default of kafka.dead_letter_topic."
            ),
            "messages": _named("deadLetter"),
            "bindings": {"kafka": {"topicConfiguration": _topic(DEAD_LETTER_CONFIG), "bindingVersion": "0.5.0"}},
        },
        "state": {
            "address": settings.state_topic,
            "title": "State",
            "description": (
                "Positions, claims and windows: the daemon's own, compacted, one partition. Not an interface: its "
                "form changes between versions, and nothing else may write it. The address is the default of "
                "kafka.state_topic."
            ),
            "messages": _named("stateRecord"),
            "bindings": {
                "kafka": {"partitions": 1, "topicConfiguration": _topic(STATE_CONFIG), "bindingVersion": "0.5.0"}
            },
        },
        "webhook": {
            "address": "{url}",
            "title": "Webhooks",
            "description": "A subscription's listener.",
            "parameters": {"url": {"description": "`url` of the subscription: https, unless http is allowed."}},
            "messages": _named("delivery", *(answer.name for answer in ANSWERS)),
        },
    }


def _named(*messages: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _topic(config: dict[str, str]) -> dict[str, Any]:
    """What of a topic's configuration the Kafka binding has a word for."""
    said: dict[str, Any] = {"cleanup.policy": [config["cleanup.policy"]]}
    for name in ("retention.ms", "max.message.bytes"):
        if name in config:
            said[name] = int(config[name])
    return said


def _operations() -> dict[str, Any]:
    webhook = "#/channels/webhook"
    return {
        "takeRecord": {
            "action": "receive",
            "channel": {"$ref": "#/channels/source"},
            "summary": "Every record is read once, and again while somebody is owed something of it.",
        },
        "deliver": {
            "action": "send",
            "channel": {"$ref": webhook},
            "summary": "POST events of one account to a listener; its answer says what follows.",
            "messages": [{"$ref": f"{webhook}/messages/delivery"}],
            "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            "reply": {
                "channel": {"$ref": webhook},
                "messages": [{"$ref": f"{webhook}/messages/{answer.name}"} for answer in ANSWERS],
            },
        },
        "giveUp": {
            "action": "send",
            "channel": {"$ref": "#/channels/deadLetters"},
            "summary": "Write what is given up; until it is written, the state topic keeps where it lies.",
        },
        "remember": {
            "action": "send",
            "channel": {"$ref": "#/channels/state"},
            "summary": "Write the daemon's own positions.",
        },
    }


def _messages() -> dict[str, Any]:
    key = {"key": {"type": "string", "description": "The account id: its events share a partition, so order is kept."}}
    return {
        "envelope": {
            "title": "Events of one account",
            "payload": envelope_of({"$ref": "#/components/schemas/knownEvent"}, _ACCOUNT),
            "bindings": {"kafka": {**key, "bindingVersion": "0.5.0"}},
        },
        "bareEvent": {
            "title": "One event",
            "payload": bare_of({"$ref": "#/components/schemas/knownEvent"}, _ACCOUNT),
            "bindings": {"kafka": {**key, "bindingVersion": "0.5.0"}},
        },
        "deadLetter": {
            "title": "An event that was given up",
            "summary": "The value is what was given up, byte for byte: a whole record, or one event of it.",
            "contentType": "application/octet-stream",
            "headers": dead_letter_headers(),
            "payload": {"description": "Any bytes, or none where the log no longer had them."},
            "bindings": {
                "kafka": {
                    "key": {"type": "string", "description": "`topic/partition` that it came from."},
                    "bindingVersion": "0.5.0",
                }
            },
        },
        "stateRecord": {
            "title": "Opaque",
            "contentType": "application/octet-stream",
            "payload": {"description": "The daemon's own."},
        },
        "delivery": {
            "title": "A delivery",
            "summary": "Events of one account, in order; a retry has the same id and the same bytes.",
            "headers": webhook_headers(),
            "payload": body_of({"$ref": "#/components/schemas/knownEvent"}, _ACCOUNT),
        },
        **{answer.name: _answer(answer.statuses, answer.means) for answer in ANSWERS},
    }


def _answer(statuses: tuple[int, ...], means: str) -> dict[str, Any]:
    # The binding has room for one status: where a kind has more, the text names them.
    said = _spans(statuses)
    made: dict[str, Any] = {"title": f"Answer {said}", "summary": means, "payload": {"description": "Not looked at."}}
    if len(statuses) == 1:
        made["bindings"] = {"http": {"statusCode": statuses[0], "bindingVersion": "0.3.0"}}
    return made


def _spans(statuses: tuple[int, ...]) -> str:
    """`200-299`; `400, 413, 415, 422`: neighbours as a span."""
    runs: list[list[int]] = []
    for status in statuses:
        if runs and status == runs[-1][-1] + 1:
            runs[-1].append(status)
        else:
            runs.append([status])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
