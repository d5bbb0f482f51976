"""What may stand in a record, and what stands in a body? JSON Schema (2020-12), of any event or of one event name.

Without a name a schema says exactly what the daemon asks of a record, and what it promises of a body: whatever a record
holds beyond it is carried unchanged. With a name it adds what ALM's samples show of such an event (`shapes.py`).
"""

from __future__ import annotations

import json
from typing import Any

from lmshooks.contracts.shapes import Schema, data_of
from lmshooks.core.catalogue import CATALOGUE

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ACCOUNT_ID: Schema = {
    "type": ["integer", "string"],
    "minLength": 1,
    "description": "The account: an integer, written without fraction or exponent, or a string that is not empty.",
    "examples": [1010, "acme"],
}


def event(name: str | None = None) -> Schema:
    """One event: of any name, or of one of the catalogue's. Raises KeyError for another."""
    said: Schema = {"type": "string", "minLength": 1, "description": "One of ALM's names, or the producer's own."}
    data: Schema = {"type": "object", "description": "The event's content, carried byte for byte."}
    title, description = "Event", "One fact of an LMS, of any name."
    if name is not None:
        entry = CATALOGUE[name]
        said, data, title = {"const": name}, data_of(name), name
        description = f"{entry.fires_when[0].upper()}{entry.fires_when[1:]}. Sent {_when(name)} by default."
    return {
        "title": title,
        "description": description,
        "type": "object",
        "properties": {
            "eventId": {
                "type": "string",
                "minLength": 1,
                "description": "The event's own id, the same however often it is delivered: de-duplicate by it.",
            },
            "eventName": said,
            "timestamp": {
                "type": ["string", "number"],
                "description": "When it happened: ISO 8601 in UTC; milliseconds since the epoch in ALM's first form.",
                "examples": ["2026-01-20T05:48:10.000Z", 1727414643000],
            },
            "eventInfo": {"description": "Where the LMS has it from; opaque."},
            "data": data,
        },
        "required": ["eventId", "eventName", "timestamp", "data"],
    }


def _when(name: str) -> str:
    return "at once" if CATALOGUE[name].cadence == "real-time" else "when its window closes"


def body_of(item: Schema, account: Schema) -> Schema:
    """The body of a delivery, of events that are as `item` says."""
    return {
        "type": "object",
        "properties": {"accountId": account, "events": {"type": "array", "minItems": 1, "items": item}},
        "required": ["accountId", "events"],
    }


def envelope_of(item: Schema, account: Schema) -> Schema:
    """A record of several events. It has no other member: the daemon would not know whose it is."""
    return {**body_of(item, account), "additionalProperties": False}


def bare_of(item: Schema, account: Schema) -> Schema:
    """A record of one event, its account beside it."""
    return {
        "allOf": [item],
        "type": "object",
        "properties": {"accountId": account, "events": False},
        "required": ["accountId"],
    }


_EVENT, _ACCOUNT = {"$ref": "#/$defs/event"}, {"$ref": "#/$defs/accountId"}


def records(name: str | None = None) -> Schema:
    """A Kafka record of the source topics, in either shape; with a name, one whose events all have it."""
    of = f"of {name} events" if name else "of any events"
    return _document(
        f"Record {of}",
        "The value of a record in a source topic. What does not fit the schema of any events becomes a dead letter: a "
        "record as a whole, an envelope's bad events alone. Beyond it accountId, events, eventId and eventName are "
        "given once, an event has at most limits.event_bytes bytes, and the text is UTF-8.",
        # By what tells the two apart, so that a mistake is reported of the shape that was meant.
        {
            "type": "object",
            "if": {"required": ["events"]},
            "then": envelope_of(_EVENT, _ACCOUNT),
            "else": bare_of(_EVENT, _ACCOUNT),
        },
        name,
    )


def bodies(name: str | None = None) -> Schema:
    """The body of a delivery; with a name, one whose events all have it."""
    of = f"of {name} events" if name else "of any events"
    return _document(
        f"Body {of}",
        "What is posted to a listener: events of one account, in order, each byte for byte as the LMS wrote it.",
        body_of(_EVENT, _ACCOUNT),
        name,
    )


def _document(title: str, description: str, schema: Schema, name: str | None) -> dict[str, Any]:
    """A schema that stands by itself."""
    head = {"$schema": DIALECT, "title": title, "description": description}
    return {**head, **schema, "$defs": {"accountId": ACCOUNT_ID, "event": event(name)}}


KINDS = {"records": records, "bodies": bodies}
"""What has a schema -> what makes it, of any event or of one name."""


def text(kind: str, name: str | None = None) -> str:
    """The schema of one of `KINDS` as the text of a file. Raises KeyError for a name that is not in the catalogue."""
    return as_text(KINDS[kind](name))


def as_text(schema: Schema) -> str:
    """A schema as the text of a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
