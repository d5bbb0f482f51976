"""What does a Kafka record say? Bytes -> Events, or why not.

Two shapes are accepted: ALM's envelope `{"accountId": ..., "events": [...]}`, and one bare event with `accountId`
beside `eventId`. An event travels as the bytes its producer wrote (`Event.raw`), so nothing here is ever written anew;
its members are taken apart for filters and ordering keys alone, when one asks (`Event.fields`).

    value ──> head `{"accountId":1010,`  ──> `"events":[` one event `]}`   the canonical forms, as one look at the
              (the same for an account:      one bare event's rest         event's own span (the fast path)
               found in a cache)
          └─> anything else: orjson says whether it is JSON at all, then a walk over the members finds the spans

The fast path needs no second proof that the whole is JSON: head, brackets and a span that is JSON compose to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from json import loads as _loads_any
from typing import Any, NamedTuple, Protocol

from orjson import JSONDecodeError
from orjson import loads as _loads

from lmshooks.core.plain import Plain, plain
from lmshooks.core.positions import Position
from lmshooks.core.spans import elements_of, members_of, past_space, without


class LetterReason(StrEnum):
    """Why was an event given up?"""

    MALFORMED = "malformed"
    """It is not one of the two shapes."""
    REJECTED = "rejected"
    """The endpoint refused it, alone, three times."""
    EXPIRED = "expired"
    """The log let go of it before it was delivered."""
    OVERSIZED = "oversized"
    """It is larger than `limits.event_bytes`."""


class Malformed(Exception):
    """A record, or one event in it, is not what was expected; `why` says what was found."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Record(Protocol):
    """A Kafka record as the machine needs it; aiokafka's ConsumerRecord is one."""

    offset: int
    timestamp: int
    """Milliseconds since the epoch, by the topic's message.timestamp.type."""
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Event(NamedTuple):
    """One LMS fact, with the bytes its producer wrote."""

    position: Position
    account: str
    """The account id as text: what subscriptions name and order is kept by."""
    account_json: bytes
    """The account id as its producer wrote it: `1010` or `"1010"`."""
    name: str
    id: str
    raw: bytes
    """The event object, byte for byte as written (a bare event without its `accountId` member)."""
    written_at: float
    """When the record was written to the log, seconds since the epoch."""

    def fields(self) -> Mapping[str, Any]:
        """Its members, taken apart anew each time."""
        try:
            fields: dict[str, Any] = _loads(self.raw)
        except JSONDecodeError:  # a number beyond a double, to which a plain event is not held
            fields = _loads_any(self.raw)
        return fields


Good = list[tuple[Event, Mapping[str, Any]]]
Bad = list[tuple[int, LetterReason, str]]


def parse(record: Record, event_bytes: int) -> tuple[Good, Bad]:
    """The events of a record with their parsed objects, and the bad ones as (index, reason, why).

    An envelope that parses gives up its bad events alone; a record that is malformed as a whole is bad event 0. An
    event of more than `event_bytes` bytes is `oversized`. Never raises.
    """
    good: list[Event] = []
    bad = parse_onto(good, record, event_bytes)
    return [(event, event.fields()) for event in good], bad


def parse_onto(good: list[Event], record: Record, event_bytes: int) -> Bad:
    """As `parse`, the events alone, put at the end of `good`; the bad ones are returned.

    Nearly every record is an envelope of one plain event, and passes here, past all else that must be looked at in one
    that is not so plain.
    """
    value = record.value
    if value:
        start = value.find(b'"events":[{', 0, 200)
        if start > 0 and value.endswith(b"}]}"):
            head = _head(value[:start])
            raw = value[start + 10 : -2]
            if head is not None and len(raw) <= event_bytes and (seen := plain(raw)) is not None:
                # Past NamedTuple's own constructor, which takes half as long again.
                place, written_at = (record.offset, 0), record.timestamp / 1000
                good.append(_new(Event, (place, head[0], head[1], seen.event_name, seen.event_id, raw, written_at)))
                return []
    events, bad = _parse(record, event_bytes)
    good += events
    return bad


def _parse(record: Record, event_bytes: int) -> tuple[list[Event], Bad]:
    value = record.value
    if not value:
        return [], [(0, LetterReason.MALFORMED, "empty value, expected an event or an envelope of events")]
    comma = value.find(b",", 0, 200) + 1
    head = _head(value[:comma])
    if head is not None:
        account, account_json, opening = head
        spans = _canonical(value, comma, opening)
        if spans is not None:
            return _events(record, account, account_json, spans, event_bytes)
    try:
        return _slow(record, value, event_bytes)
    except Malformed as bad:
        return [], [(0, LetterReason.MALFORMED, bad.why)]


def account_of(value: bytes | None) -> str | None:
    """The account of a record, where its first bytes tell; None where only `parse` can."""
    if not value:
        return None
    head = _head(value[: value.find(b",", 0, 200) + 1])
    return None if head is None else head.account


# ------------------------------------------------------------------------------------------------------- fast path

_SPACE = b" \t\r\n"
_HEAD = re.compile(
    rb'[ \t\r\n]*(\{[ \t\r\n]*)"accountId"[ \t\r\n]*:[ \t\r\n]*'
    rb'(-?(?:0|[1-9][0-9]*)|"[ !#-\[\]-~]+")[ \t\r\n]*,[ \t\r\n]*'
)
_EVENTS = re.compile(rb'[ \t\r\n]*"events"[ \t\r\n]*:[ \t\r\n]*\[[ \t\r\n]*')
_TAIL = re.compile(rb"(?s:.*\})([ \t\r\n]*)\][ \t\r\n]*\}[ \t\r\n]*")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")

_Span = tuple[bytes, Any]
"""An event's bytes, and what they say: a Plain, or the object they parse to."""


class _Head(NamedTuple):
    account: str
    account_json: bytes
    opening: bytes
    """The brace, and the white space between it and the `accountId` member."""


@lru_cache(maxsize=4096)
def _head(head: bytes) -> _Head | None:
    """What a record's first bytes, up to a comma and the white space after it, say where that is the account id."""
    found = _HEAD.fullmatch(head)
    if found is None:
        return None
    token = found[2]
    return _Head(token.strip(b'"').decode(), token, found[1])


def _canonical(value: bytes, comma: int, opening: bytes) -> list[_Span] | None:
    """The events of a record in canonical form; None when it takes the slow path to tell."""
    if value.startswith(b'"events":[', comma):
        start = comma + 10
    elif (found := _EVENTS.match(value, comma)) is not None:
        start = found.end()
    else:
        raw = opening + value[comma:].rstrip(_SPACE)
        try:
            _, event = span = _seen(raw)
        except JSONDecodeError:
            return None
        if type(event) is Plain:  # then a name is spelt one way only
            another = b'"accountId"' in raw or b'"events"' in raw
        else:
            another = "accountId" in event or "events" in event
        return None if another else [span]
    if value.endswith(b"}]}"):
        raw = value[start:-2]
    else:
        tail = _TAIL.fullmatch(value, max(start, len(value) - 100))
        if tail is None:
            return None
        raw = value[start : tail.start(1)]
    if not raw.startswith(b"{"):
        return None
    try:
        return _several(raw) or [_seen(raw)]
    except JSONDecodeError:
        return None


def _several(middle: bytes) -> list[_Span] | None:
    """The elements of an array, without its brackets, where all of them but the first begin with `eventId`.

    Cut at what looks like their borders. Where each piece is JSON the cuts were right; one inside an event is not.
    None where it is one event, or was cut wrongly.
    """
    for border in (b'},{"eventId":', b'}, {"eventId":'):
        first, *others = middle.split(border)
        if others:
            inner = [b'{"eventId":' + other + b"}" for other in others[:-1]]
            raws = [first + b"}", *inner, b'{"eventId":' + others[-1]]
            try:
                return [_seen(raw) for raw in raws]
            except JSONDecodeError:
                return None
    return None


def _seen(raw: bytes) -> _Span:
    """Raises JSONDecodeError."""
    return raw, plain(raw) or _loads(raw)


# -------------------------------------------------------------------------------------------------------- one event

_TIMES = frozenset((str, int, float))
_new = tuple.__new__
_BACKSLASH = 0x5C
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")


def _events(
    record: Record, account: str, account_json: bytes, spans: list[_Span], event_bytes: int
) -> tuple[list[Event], Bad]:
    """Events of spans that are JSON; what is not an event is bad."""
    good: list[Event] = []
    bad: Bad = []
    offset = record.offset
    written_at = record.timestamp / 1000
    for index, (raw, seen) in enumerate(spans):
        if type(seen) is Plain:
            name, identity = seen.event_name, seen.event_id
        elif (wrong := _wrong(seen, raw)) is not None:
            bad.append((index, LetterReason.MALFORMED, wrong))
            continue
        else:
            name, identity = seen["eventName"], seen["eventId"]
        if len(raw) > event_bytes:
            why = f"event of {len(raw)} bytes, expected at most {event_bytes}"
            bad.append((index, LetterReason.OVERSIZED, why))
        else:
            good.append(_new(Event, ((offset, index), account, account_json, name, identity, raw, written_at)))
    return good, bad


def _wrong(event: Any, raw: bytes) -> str | None:
    """What keeps a parsed value from being an event."""
    try:
        name, identity, timestamp, data = event["eventName"], event["eventId"], event["timestamp"], event["data"]
    except (KeyError, TypeError):
        return _mistake(event)
    if (
        type(name) is not str
        or type(identity) is not str
        or not name
        or not identity
        or (type(timestamp) is not str and type(timestamp) not in _TIMES)
        or type(data) is not dict
    ):
        return _mistake(event)
    # The parser keeps the last of two members of one name; the listener's may keep the first. The names of a nested
    # object, and letters written as escapes, only cost the walk.
    doubtful = raw.count(b'"event') != (3 if "eventInfo" in event else 2)
    if not doubtful and (_BACKSLASH not in raw or _ESCAPED_LETTER.search(raw) is None):
        return None
    try:
        names = [member.name for member in members_of(raw.decode(), 0)]
    except RecursionError:
        return "event is nested too deeply"
    for twice in ("eventId", "eventName"):
        if names.count(twice) > 1:
            return f"two members {twice}, expected one"
    return None


def _mistake(event: Any) -> str:
    """Which member is missing or of the wrong kind, in an event of which one is."""
    if not isinstance(event, dict):
        return f"event is {_kind(event)}, expected an object"
    for name in ("eventId", "eventName"):
        if not isinstance(event.get(name), str) or not event[name]:
            return f"{_named(event, name)}, expected a string that is not empty"
    if type(event.get("timestamp")) not in _TIMES:
        return f"{_named(event, 'timestamp')}, expected a string or a number"
    return f"{_named(event, 'data')}, expected an object"


def _named(event: dict[str, Any], name: str) -> str:
    if name not in event:
        return f"no {name}"
    return f"{name} is empty" if event[name] == "" else f"{name} is {_kind(event[name])}"


def _kind(value: Any) -> str:
    """What people call a JSON value of this kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


# -------------------------------------------------------------------------------------------------------- slow path


def _slow(record: Record, value: bytes, event_bytes: int) -> tuple[list[Event], Bad]:
    """Any record: what orjson accepts is JSON, and the standard library's scanner knows where the values end."""
    try:
        parsed = _loads(value)
    except JSONDecodeError as error:
        raise Malformed(f"not JSON ({error}), expected an event or an envelope of events") from None
    if not isinstance(parsed, dict):
        raise Malformed(f"record is {_kind(parsed)}, expected an object")
    text = value.decode()
    begin = past_space(text, 0)
    try:
        members = members_of(text, begin)
        names = [member.name for member in members]
        for name in ("accountId", "events"):
            if names.count(name) > 1:
                raise Malformed(f"two members {name}, expected one")
        if "accountId" not in names:
            raise Malformed("no accountId, expected it beside events or eventId")
        place = names.index("accountId")
        account, account_json = _account(parsed["accountId"], text[members[place].value : members[place].end])
        if "events" not in names:
            raw = without(text, begin, members, place)
            del parsed["accountId"]
            return _events(record, account, account_json, [(raw, parsed)], event_bytes)
        for name in names:
            if name not in ("accountId", "events"):
                raise Malformed(f"member {name[:100]!r} in an envelope, expected accountId and events alone")
        events = parsed["events"]
        if not isinstance(events, list):
            raise Malformed(f"events is {_kind(events)}, expected an array")
        if not events:
            raise Malformed("events is empty, expected one event or more")
        raws = elements_of(text, members[names.index("events")].value)
    except RecursionError:
        raise Malformed("record is nested too deeply") from None
    return _events(record, account, account_json, list(zip(raws, events, strict=True)), event_bytes)


def _account(value: Any, token: str) -> tuple[str, bytes]:
    """An account id as text, and as written. Integers are told by their token: large ones do not parse as such."""
    if isinstance(value, str):
        if not value:
            raise Malformed("accountId is empty, expected an integer or a string that is not empty")
        return value, token.encode()
    if _INTEGER.fullmatch(token) is None:
        found = "a number with a fraction or exponent" if type(value) in (int, float) else _kind(value)
        raise Malformed(f"accountId is {found}, expected an integer or a string that is not empty")
    return token, token.encode()
