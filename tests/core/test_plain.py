"""What is told of an event without taking it apart is what taking it apart would tell."""

from __future__ import annotations

import json
import math
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmshooks.core.plain import NESTED, SHALLOW, plain

SAMPLES = sorted((Path(__file__).parent.parent / "samples").glob("*.json"))
EVENT = b'{"eventId":"e1","eventName":"COURSE_COMPLETED","timestamp":1.5,"eventInfo":"x","data":{"userId":7}}'


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_event_of_alm_is_plain_but_those_with_an_event_id_of_another_kind(path: Path) -> None:
    for event in json.loads(path.read_bytes())["events"]:
        raw = json.dumps(event, ensure_ascii=False).encode()
        seen = plain(raw)
        if b'"event_id"' in raw:
            assert seen is None
            continue
        assert seen is not None
        assert (seen.event_id, seen.event_name) == (event["eventId"], event["eventName"])


def test_an_event_with_members_that_nobody_knows_is_plain() -> None:
    more = b'{"new":[1,{"a":null}],' + "\N{HIRAGANA LETTER A}".encode().join([b'"', b'":true,']) + EVENT[1:]
    seen = plain(more)
    assert seen is not None
    assert seen.event_id == "e1"


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (b"7", b"07"), (b"7", b"7."), (b"7", b".7"), (b"7", b"7e"), (b"7", b"-"), (b"7", b"+7"), (b"7", b"NaN"),
        (b"7", b"tru"), (b"7", b"[7"), (b"7", b"7]"), (b"7", b"[7,]"), (b"7", b""), (b"7", b"'7'"), (b"7", b"7//"),
        (b"7", b'"\x00"'), (b"7", b'"\n"'), (b"7", b'"\xff"'), (b"7", b'"\xc0\x80"'), (b"7", b'"\xed\xa0\x80"'),
        (b"userId", b"\xf4\x90\x80\x80"), (b"7", b"7,"), (b"7", b"7 8"), (b"7", b'7"'), (b":7", b"7"), (b"7}}", b"7}"),
        (b"7}}", b"7}}}"), (b"7}}", b"7}},"), (b"{", b"\xef\xbb\xbf{"), (b"7", b"\x0b7"), (b"7", b"\xc2\xa07"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_not_plain(found: bytes, written: bytes) -> None:
    broken = EVENT.replace(found, written, 1)
    assert plain(broken) is None
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(broken)


@pytest.mark.parametrize(
    "doubtful",
    [
        EVENT.replace(b'"userId"', b'"user\\u0049d"'),
        EVENT.replace(b"7", b'"\\ud800"'),
        EVENT.replace(b'"userId"', b'"eventId"'),
        EVENT.replace(b"7}", b'7},"eventId":"e2"'),
        EVENT.replace(b"7}", b'7},"eventName":"e2"'),
        EVENT.replace(b'"eventInfo":"x"', b'"eventName":"B"'),
        EVENT.replace(b"e1", b""),
        EVENT.replace(b"COURSE_COMPLETED", b""),
        EVENT.replace(b"1.5", b"true"),
        EVENT.replace(b"1.5", b"null"),
        EVENT.replace(b'"e1"', b"1"),
        EVENT.replace(b'{"userId":7}', b"[]"),
        EVENT.replace(b'"data"', b'"date"'),
        EVENT + b"," + EVENT,
        b"[" + EVENT + b"]",
        b"null",
        b"",
    ],
)
def test_what_has_to_be_looked_at_member_by_member_is_not_plain(doubtful: bytes) -> None:
    assert plain(doubtful) is None


@pytest.mark.parametrize("depth", [NESTED, 1100, 100_000])
def test_what_is_nested_deeply_is_not_plain(depth: int) -> None:
    deep = EVENT.replace(b"7", b"[" * depth + b" " * SHALLOW + b"]" * depth)
    assert plain(deep) is None


def test_a_large_event_is_plain() -> None:
    assert plain(EVENT.replace(b"7", b'"' + b"x" * 500_000 + b'"')) is not None


numbers = st.sampled_from(
    [b"0", b"-0", b"1.5", b"-1e5", b"1E+10", b"1e-400", b"1e400", b"-1e999", b"9" * 400, b"1e308"]
)
texts = st.sampled_from([b'""', b'"x"', '"\N{HIRAGANA LETTER A}"'.encode(), b'"\x7f"', b'"\xed\xa0\x80"', b'"\xff"'])
values = st.recursive(
    numbers | texts | st.sampled_from([b"true", b"false", b"null", b"{}"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda found: b"[" + b" , ".join(found) + b"]")
        | st.lists(st.tuples(texts, inner), max_size=3).map(
            lambda found: b"{" + b",\n".join(name + b":" + value for name, value in found) + b"}"
        )
    ),
    max_leaves=8,
)
members = st.tuples(
    st.just(b'"eventId":"1"'),
    st.just(b'"eventName":"A"'),
    st.one_of(numbers, texts, values).map(lambda value: b'"timestamp":' + value),
    st.one_of(values.map(lambda value: b'{"k":' + value + b"}"), values).map(lambda value: b'"data":' + value),
    st.sampled_from([b'"eventInfo":null', b'"eventInfo":"x"', b'"z":1', b'"data":{}', b'"eventInfo":7']),
    values.map(lambda value: b'"other":' + value),
).flatmap(lambda found: st.permutations(found).map(lambda ordered: b"{" + b",".join(ordered) + b"}"))
scraps = st.sampled_from([
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\x00", b"\n", b"\x0b", b"-", b".", b"e", b"+", b"0", b"tru",
    b"\xc2", b"\xff",    b'"eventId":2,', b'"data":1,', b"NaN", b"\xef\xbb\xbf", b"\\", b"\\u0041", b"//", b"'",
])  # fmt: skip
spoilt = st.tuples(members, st.lists(st.tuples(st.integers(0, 1 << 16), scraps, st.booleans()), max_size=3))


@settings(max_examples=600, deadline=None)
@given(spoilt)
def test_what_is_plain_is_what_orjson_takes_it_for(made: tuple[bytes, list[tuple[int, bytes, bool]]]) -> None:
    raw, cuts = made
    for place, scrap, over in cuts:
        at = place % (len(raw) + 1)
        raw = raw[:at] + scrap + raw[at + over :]
    seen = plain(raw)
    if seen is None:
        return
    event = json.loads(raw)
    found: list[str] = []
    json.loads(raw, parse_float=found.append, parse_int=found.append)
    # A number beyond a double is JSON; it is all that orjson refuses and a plain event may hold.
    if not any(math.isinf(float(text)) for text in found):
        orjson.loads(raw)
    assert (seen.event_id, seen.event_name) == (event["eventId"], event["eventName"])
    assert type(event["timestamp"]) in (str, int, float)
    assert type(event["data"]) is dict
    names = [name for name, _ in json.loads(raw, object_pairs_hook=list)]
    assert names.count("eventId") == names.count("eventName") == 1
