"""What a record says: both shapes, byte for byte, and a reason for everything else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmshooks.core.catalogue import CATALOGUE
from lmshooks.core.events import LetterReason, account_of, parse

SAMPLES = sorted((Path(__file__).parent.parent / "samples").glob("*.json"))
EVENT = b'{"eventId":"e1","eventName":"COURSE_COMPLETED","timestamp":1,"data":{"userId":7}}'


@dataclass
class Written:
    value: bytes | None
    offset: int = 7
    timestamp: int = 1500
    headers: Sequence[tuple[str, bytes]] = ()


def read(value: bytes | None, event_bytes: int = 1_000_000) -> Any:
    return parse(Written(value), event_bytes)


def raws(value: bytes) -> list[bytes]:
    good, bad = read(value)
    assert bad == []
    for event, parsed in good:
        assert orjson.loads(event.raw) == parsed
    return [event.raw for event, _ in good]


def why(value: bytes | None) -> str:
    good, bad = read(value)
    assert good == []
    ((index, reason, text),) = bad
    assert (index, reason) == (0, LetterReason.MALFORMED)
    return str(text)


def test_there_are_all_32_samples() -> None:
    assert len(SAMPLES) == 32


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("indent", [None, 2])
def test_every_sample_of_alm_is_read(path: Path, indent: int | None) -> None:
    value = path.read_bytes()
    envelope = json.loads(value)
    if indent is None:
        value = json.dumps(envelope, separators=(",", ":")).encode()
    good, bad = read(value)
    assert bad == []
    assert [parsed for _, parsed in good] == envelope["events"]
    event = good[0][0]
    assert event.name == envelope["events"][0]["eventName"]
    assert event.name in CATALOGUE
    assert event.raw in value
    assert (event.account, event.account_json) == (str(envelope["accountId"]), str(envelope["accountId"]).encode())
    assert (event.position, event.written_at) == ((7, 0), 1.5)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_read_as_a_bare_event_wherever_its_account_stands(path: Path) -> None:
    envelope = json.loads(path.read_bytes())
    event = envelope["events"][0]
    members = list(event.items())
    for place in range(len(members) + 1):
        bare = dict([*members[:place], ("accountId", 1010), *members[place:]])
        for separators in ((",", ":"), (", ", ": ")):
            value = json.dumps(bare, separators=separators).encode()
            expected = json.dumps(event, separators=separators).encode()
            if place == 0 and " " in separators[0]:
                expected = expected.replace(b"{", b"{ ", 1)  # the space that followed the comma
            assert raws(value) == [expected]


def test_a_bare_event_loses_its_account_and_one_comma_and_nothing_else() -> None:
    rest = b'"eventId" :"e","eventName":"X",  "timestamp":1.0,"data":{"a":1e2,"b":1.0,"c":"\\u00e9\\/"}'
    assert raws(b' { "accountId" : 1 , ' + rest + b" }\n") == [b"{  " + rest + b" }"]
    assert raws(b'{"v":1, "accountId":"a,b" ,' + rest + b"}") == [b'{"v":1 ,' + rest + b"}"]
    assert raws(b"{" + rest + b' , "accountId":1 }') == [b"{" + rest + b"  }"]


def test_an_envelope_s_events_keep_their_bytes() -> None:
    odd = (
        b'{ "eventId":"e2", "eventName":"X",\n"timestamp":"t","data":{"n":[{"eventId":1},{"eventId":2}],'
        b' "big":123456789012345678901234567890,"u":"\xc3\xa9\\ud83d\\ude00"} }'
    )
    for between in (b",", b", ", b" ,\n  "):
        for account in (b"1010", b'"1010"', b'"a\\u0062"', b"123456789012345678901234567890"):
            value = b'{"accountId":' + account + b',"events":[' + between.join([EVENT, odd, EVENT, odd]) + b"]}"
            assert raws(value) == [EVENT, odd, EVENT, odd]
            good, _ = read(value)
            assert [event.position for event, _ in good] == [(7, 0), (7, 1), (7, 2), (7, 3)]
            assert {event.account_json for event, _ in good} == {account}
            assert {event.account for event, _ in good} == {str(json.loads(account))}
    assert raws(b'{"events": [ ' + EVENT + b' ] , "accountId" : 1 } ') == [EVENT]


names = st.sampled_from(["eventId", "a", "},{", "]}", '"', "data", "accountId", "é", "\\"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.dictionaries(names, values, max_size=3), min_size=1, max_size=4),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_any_events_come_back_byte_for_byte(
    datas: list[dict[str, Any]], ascii_only: bool, first: bool, separators: tuple[str, str]
) -> None:
    events = [{"eventId": f"e{i}", "eventName": "X", "timestamp": 0, "data": data} for i, data in enumerate(datas)]
    if not first:
        events = [{"data": event["data"], **event} for event in events]

    def dump(value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")

    written = [dump(event) for event in events]
    try:
        orjson.loads(dump(events))
    except orjson.JSONDecodeError:
        assert why(dump({"accountId": 1, "events": events})).startswith("not JSON")
        return
    assert raws(dump({"accountId": 1, "events": events})) == written
    assert raws(dump({"events": events, "accountId": 1})) == written
    space = b"{ " if " " in separators[0] else b"{"  # what followed the comma
    assert raws(dump({"accountId": 1, **events[0]})) == [written[0].replace(b"{", space, 1)]
    assert raws(dump({**events[0], "accountId": 1})) == written[:1]


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 20))
def test_nothing_raises_and_nothing_that_is_not_json_passes(junk: bytes, at: int, gone: int) -> None:
    for whole in (b'{"accountId":1,"events":[' + EVENT + b"]}", b'{"accountId":1,' + EVENT[1:]):
        value = whole[:at] + junk + whole[at + gone :]
        good, bad = read(value)
        assert good or bad
        try:
            orjson.loads(value)
        except orjson.JSONDecodeError:
            assert good == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "empty value, expected an event or an envelope of events"),
        (b"", "empty value, expected an event or an envelope of events"),
        (b"[]", "record is an array, expected an object"),
        (b"{}", "no accountId, expected it beside events or eventId"),
        (EVENT, "no accountId, expected it beside events or eventId"),
        (b'{"accountId":1}', "no eventId, expected a string that is not empty"),
        (b'{"accountId":1,"events":[]}', "events is empty, expected one event or more"),
        (b'{"accountId":1,"events":[ ]}', "events is empty, expected one event or more"),
        (b'{"accountId":1,"events":{}}', "events is an object, expected an array"),
        (b'{"accountId":1,"events":[7]}', "event is a number, expected an object"),
        (
            b'{"accountId":1,"events":[' + EVENT + b'],"v":1}',
            "member 'v' in an envelope, expected accountId and events alone",
        ),
        (b'{"accountId":1,"events":[],"events":[' + EVENT + b"]}", "two members events, expected one"),
        (b'{"accountId":1,"accountId":2,"events":[' + EVENT + b"]}", "two members accountId, expected one"),
        (b'{"accountId":1,"account\\u0049d":2,' + EVENT[1:], "two members accountId, expected one"),
        (b'{"accountId":1,"accountId":2,' + EVENT[1:], "two members accountId, expected one"),
        (b'{"accountId":1,"eventId":"x",' + EVENT[1:], "two members eventId, expected one"),
        (b'{"accountId":1,"event\\u004eame":"x",' + EVENT[1:], "two members eventName, expected one"),
    ],
)
def test_a_malformed_record_says_what_was_found(value: bytes | None, expected: str) -> None:
    assert why(value) == expected


@pytest.mark.parametrize(
    ("account", "found"),
    [
        ("true", "a boolean"), ("null", "null"), ("1.0", "a number with a fraction or exponent"),
        ("1e3", "a number with a fraction or exponent"), ('""', "empty"), ("[1]", "an array"), ("{}", "an object"),
    ],
)  # fmt: skip
def test_an_account_is_an_integer_or_a_string(account: str, found: str) -> None:
    expected = f"accountId is {found}, expected an integer or a string that is not empty"
    assert why(b'{"accountId":' + account.encode() + b',"events":[' + EVENT + b"]}") == expected
    assert why(b'{"accountId":' + account.encode() + b"," + EVENT[1:]) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b'"eventId":"e1",', b"", "no eventId, expected a string that is not empty"),
        (b'"e1"', b'""', "eventId is empty, expected a string that is not empty"),
        (b'"e1"', b"12", "eventId is a number, expected a string that is not empty"),
        (b'"COURSE_COMPLETED"', b"null", "eventName is null, expected a string that is not empty"),
        (b'"timestamp":1', b'"timestamp":true', "timestamp is a boolean, expected a string or a number"),
        (b'"timestamp":1,', b"", "no timestamp, expected a string or a number"),
        (b'{"userId":7}', b"[]", "data is an array, expected an object"),
    ],
)
def test_an_envelope_buries_its_bad_events_alone(old: bytes, new: bytes, expected: str) -> None:
    bad_event = EVENT.replace(old, new)
    assert bad_event != EVENT
    good, bad = read(b'{"accountId":1,"events":[' + b",".join([EVENT, bad_event, EVENT]) + b"]}")
    assert [event.position for event, _ in good] == [(7, 0), (7, 2)]
    assert bad == [(1, LetterReason.MALFORMED, expected)]
    assert why(b'{"accountId":1,' + bad_event[1:]) == expected


@pytest.mark.parametrize(
    "data", [b'"\xff"', b'"\\ud800"', b"NaN", b"Infinity", b"01", b"'x'", b'"\x01"', b"[1,]", b"[" * 2000 + b"]" * 2000]
)
def test_what_orjson_rejects_is_malformed(data: bytes) -> None:
    event = EVENT.replace(b"7", data)
    for value in (
        b'{"accountId":1,"events":[' + event + b"]}", b'{"events":[' + event + b'],"accountId":1}',
        b'{"accountId":1,' + event[1:],
    ):  # fmt: skip
        assert why(value).startswith("not JSON")


def test_deep_nesting_and_long_numbers_are_no_crash() -> None:
    deep = EVENT.replace(b"7", b"[" * 1000 + b"]" * 1000)
    good, _ = read(b'{"accountId":1,"events":[' + deep + b"]}")
    assert good[0][0].raw == deep
    read(b'{"events":[' + deep + b'],"accountId":1}')
    long = EVENT.replace(b"7", b"1" * 300)
    assert raws(b'{"events":[' + long + b'],"accountId":1}') == [long]
    read(b'{"events":[' + EVENT.replace(b"7", b"1" * 5000) + b'],"accountId":1}')


def test_a_nested_name_is_no_second_member() -> None:
    event = EVENT.replace(b"7", b'{"eventId":1,"eventName":"\\u0041"}')
    assert raws(b'{"accountId":1,"events":[' + event + b"]}") == [event]


def test_an_event_over_the_limit_is_oversized() -> None:
    large = EVENT.replace(b"7", b"77")
    good, bad = read(b'{"accountId":1,"events":[' + EVENT + b"," + large + b"]}", len(EVENT))
    assert [event.raw for event, _ in good] == [EVENT]
    text = f"event of {len(large)} bytes, expected at most {len(EVENT)}"
    assert bad == [(1, LetterReason.OVERSIZED, text)]


def test_a_number_beyond_a_double_is_sent_as_written_and_taken_apart() -> None:
    large = EVENT.replace(b"7", b"1e400")
    good, bad = read(b'{"accountId":1,"events":[' + large + b"]}")
    assert bad == []
    ((event, fields),) = good
    assert event.raw == large
    assert fields["data"] == {"userId": float("inf")}


def test_one_event_of_several_that_is_not_plain_is_told_from_the_others() -> None:
    bare = EVENT.replace(b'"timestamp":1,', b"")
    escaped = EVENT.replace(b"7", b'"\\u0041"')
    good, bad = read(b'{"accountId":1,"events":[' + b",".join([EVENT, bare, escaped]) + b"]}")
    assert [(event.position[1], event.raw) for event, _ in good] == [(0, EVENT), (2, escaped)]
    assert bad == [(1, LetterReason.MALFORMED, "no timestamp, expected a string or a number")]


@pytest.mark.parametrize(
    ("value", "account"),
    [
        (b'{"accountId":1010,"events":[]}', "1010"),
        (b' { "accountId" : "a b" , "x":1}', "a b"),
        (b'{"events":[],"accountId":1010}', None),
        (b'{"accountId":"\\u0061","events":[]}', None),
        (b"nonsense", None),
        (b"", None),
        (None, None),
    ],
)
def test_the_account_is_told_from_the_first_bytes_or_not_at_all(value: bytes | None, account: str | None) -> None:
    assert account_of(value) == account
