"""What must any record become? A second reading of it, by the plain rules, to hold `core.events.parse` against.

Python's own JSON reader, told to keep every number as its text and every member in its place, is slow and simple:
what it makes of the bytes is what `parse` must have made of them, to the last digit. Where orjson is stricter (lone
surrogates, numbers beyond a double, nesting beyond 1,024) an event may be refused, never altered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any, NamedTuple

from lmshooks.core.envelope import body
from lmshooks.core.events import Bad, Good, LetterReason, parse
from lmshooks.core.filters import compile_filter
from lmshooks.core.routing import Index
from lmshooks.core.subscriptions import Endpoint, Subscription

LIMIT = 16 * 1024 * 1024
"""Bytes of an event, for all checks but that of the limit itself."""


@dataclass
class Written:
    """A Kafka record."""

    value: bytes | None
    offset: int = 7
    timestamp: int = 1500
    headers: Sequence[tuple[str, bytes]] = ()


class Number(str):
    """A number as it was written."""


class Members(tuple[tuple[str, Any], ...]):
    """An object, members in their order, doubles included."""

    def named(self, name: str) -> list[Any]:
        return [value for key, value in self if key == name]


class Expected(NamedTuple):
    place: int
    account: str
    name: str
    id: str
    event: Members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_reader = JSONDecoder(
    object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=_no_constant
)  # fmt: skip


def read(value: bytes) -> Any:
    """Bytes that are JSON, nothing in them altered. Raises ValueError; RecursionError where they are nested too deeply.

    The reader skips no other white space than JSON's, but its `decode` would.
    """
    return _reader.decode(value.decode())


def expected(value: bytes) -> tuple[int, list[Expected]] | None:
    """How many events the record has and which of them are right; None where it is no record of either shape."""
    record = read(value)
    if not isinstance(record, Members) or len(record.named("accountId")) != 1 or len(record.named("events")) > 1:
        return None
    (account,) = record.named("accountId")
    whole = isinstance(account, Number) and re.fullmatch(r"-?[0-9]+", account)
    if not whole and (not isinstance(account, str) or isinstance(account, Number) or not account):
        return None
    if not record.named("events"):
        events = [Members(member for member in record if member[0] != "accountId")]
    elif len(record) > 2 or not isinstance(record.named("events")[0], list) or not record.named("events")[0]:
        return None
    else:
        (events,) = record.named("events")
    good = [(index, event) for index, event in enumerate(events) if _is_event(event)]
    return len(events), [
        Expected(index, str(account), event.named("eventName")[0], event.named("eventId")[0], event)
        for index, event in good
    ]


def _is_event(event: Any) -> bool:
    if not isinstance(event, Members):
        return False
    names, ids = event.named("eventName"), event.named("eventId")
    times, datas = event.named("timestamp"), event.named("data")
    return (
        len(names) == len(ids) == 1
        and all(isinstance(text, str) and not isinstance(text, Number) and text for text in (*names, *ids))
        and bool(times and datas)
        and isinstance(times[-1], str)  # a Number is one
        and isinstance(datas[-1], Members)
    )


def check(value: bytes | None) -> tuple[Good, Bad]:
    """Read a record both ways and compare; AssertionError where `parse` broke its word."""
    good, bad = parse(Written(value), LIMIT)
    for index, reason, why in bad:
        assert reason is LetterReason.MALFORMED and index >= 0
        assert why and len(why) < 1000, why
        why.encode()
    if not value:
        assert not good and len(bad) == 1
        return good, bad
    try:
        wanted = expected(value)
    except (ValueError, RecursionError):
        wanted = None
    if wanted is None:
        assert not good, "events of a record that is none"
        assert [index for index, _, _ in bad] == [0]
        return good, bad
    count, right = wanted
    whole = [why for _, _, why in bad if why.startswith("not JSON") or "too deeply" in why]
    if not good and whole:
        assert _beyond(value), f"refused although nothing in it is beyond orjson: {whole[0]}"
        return good, bad
    assert sorted([event.position[1] for event, _ in good] + [index for index, _, _ in bad]) == list(range(count))
    if not _beyond(value):
        assert [event.position[1] for event, _ in good] == [one.place for one in right]
    _same(value, good, right)
    return good, bad


def _beyond(value: bytes) -> bool:
    """Whether a record has what orjson refuses although it is JSON by the grammar."""
    depth = deepest = 0
    for byte in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", value):
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    surrogate = re.search(rb"\\u[dD][89abAB-F]", value) or re.search(rb"\\u[dD][c-f]", value)
    return bool(surrogate or re.search(rb"[0-9]{300}|[eE]\+?0*[0-9]{3}", value) or deepest > 200)


def _same(value: bytes, good: Good, right: list[Expected]) -> None:
    """Every event that was taken is the one that was written, to the byte."""
    wanted = {one.place: one for one in right}
    for event, parsed in good:
        one = wanted[event.position[1]]
        assert (event.account, event.name, event.id) == (one.account, one.name, one.id)
        assert read(event.raw) == one.event
        assert event.raw in value or _without_account(value, event.raw)
        assert event.raw.startswith(b"{") and event.raw.endswith(b"}")
        assert event.account_json in value
        assert event.written_at == 1.5
        assert _like(parsed, one.event), "the parsed object is not what was written"
    if good:
        account_json = good[0][0].account_json
        sent = read(body(account_json, [event.raw for event, _ in good]))
        assert [key for key, _ in sent] == ["accountId", "events"]
        assert sent.named("accountId") == read(value).named("accountId")
        assert sent.named("events") == [[wanted[event.position[1]].event for event, _ in good]]


def _without_account(value: bytes, raw: bytes) -> bool:
    """Whether `raw` is the record with one stretch, its `accountId`, cut out."""
    whole = value.strip(b" \t\r\n")
    head = 0
    while head < len(raw) and raw[head] == whole[head]:
        head += 1
    tail = len(raw) - head
    return tail == 0 or whole.endswith(raw[-tail:])


def _like(parsed: Any, written: Any) -> bool:
    """Whether orjson's value is the written one; of members of one name it keeps the last."""
    if isinstance(written, Members):
        last = dict(written)
        return (
            isinstance(parsed, dict)
            and parsed.keys() == last.keys()
            and all(_like(parsed[name], value) for name, value in last.items())
        )
    if isinstance(written, list):
        return (
            isinstance(parsed, list)
            and len(parsed) == len(written)
            and all(_like(one, other) for one, other in zip(parsed, written, strict=True))
        )
    if isinstance(written, Number):
        return type(parsed) in (int, float) and float(parsed) == float(written)
    return type(parsed) is type(written) and bool(parsed == written)


# ----------------------------------------------------------------------------------------------------------- routing

_FILTERS: tuple[Any, ...] = (
    None,
    {"eventName": {"prefix": "COURSE"}},
    {"data.userId": 7},
    {"data.userId": {"gte": 3, "lt": 1e300}},
    {"data.n": {"exists": True}, "not": {"data.n": {"in": [1, "1", None, True]}}},
    {"any": [{"data.a.b": {"ne": 1}}, {"timestamp": {"gt": "2026"}}, {"data": {"eq": {"userId": 7}}}]},
)
_NAMES = (("COURSE_COMPLETED",), ("*",), ("COURSE_*", "X"), ("[", "?"), ("*ED",))
SUBSCRIPTIONS = tuple(
    Subscription(f"{account}/{place}/{number}", account, names, Endpoint("https://a.example/"),
                 filter=None if tree is None else compile_filter(tree))
    for account in ("*", "1", "1010", "a")
    for place, names in enumerate(_NAMES)
    for number, tree in enumerate(_FILTERS)
)  # fmt: skip


def route(good: Good) -> list[str]:
    """The subscriptions that get each event, by the index and filters; checked against asking every one of them."""
    index = Index(SUBSCRIPTIONS)
    taken: list[str] = []
    for event, parsed in good:
        named = index.match(event.account, event.name)
        assert {one.id for one in named} == {
            one.id
            for one in SUBSCRIPTIONS
            if one.account in ("*", event.account) and any(_globs(glob, event.name) for glob in one.events)
        }
        for one in named:
            passes = one.filter is None or one.filter(parsed)
            assert type(passes) is bool
            if one.filter is not None:
                assert (one.filter.explain(parsed) is None) is passes  # type: ignore[attr-defined]
            if passes:
                taken.append(one.id)
    return taken


def _globs(glob: str, name: str) -> bool:
    """`*` and `?` alone: the one `[` among the globs is no pattern but itself."""
    pattern = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in glob)
    return re.fullmatch(pattern, name, re.DOTALL) is not None
