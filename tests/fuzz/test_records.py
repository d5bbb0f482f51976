"""Is every record carried as it was written, or given up with a reason, whatever its bytes are?"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lmshooks.core import events
from tests.fuzz import records
from tests.fuzz.records import check, route

CORPUS = sorted((Path(__file__).parent / "corpus" / "records").iterdir())
SAMPLES = sorted((Path(__file__).parent.parent / "samples").glob("*.json"))
PATIENT = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

space = st.sampled_from(["", "", "", " ", "\n", "\t \r"])
names = st.sampled_from(
    ["eventId", "eventName", "timestamp", "data", "accountId", "events", "eventInfo", "a", "", "é", "\\u0065ventId"]
)  # fmt: skip
strings = st.one_of(
    st.text(max_size=8).map(lambda text: text.replace("\\", "\\\\").replace('"', '\\"')),
    st.sampled_from(["\\u0041", "\\ud83d\\ude00", "\\ud800", "\\/", "},{", "]}", '\\"', "COURSE_COMPLETED", "1010"]),
).map(lambda text: f'"{text}"')
numbers = st.sampled_from(
    ["0", "-0", "1", "1.0", "1e2", "1E+02", "-1.5e-7", "123456789012345678901234567890", "1e400", "1" * 400, "0.1"]
)  # fmt: skip
scalars = strings | numbers | st.sampled_from(["null", "true", "false"])


def arrays(inner):
    return st.tuples(space, st.lists(inner, max_size=3), space).map(lambda t: f"[{t[0]}{f'{t[2]},{t[0]}'.join(t[1])}]")


def objects(inner):
    member = st.tuples(names, space, inner).map(lambda t: f'"{t[0]}"{t[1]}:{t[1]}{t[2]}')
    return st.tuples(space, st.lists(member, max_size=4), space).map(
        lambda t: f"{{{t[0]}{f'{t[2]},{t[0]}'.join(t[1])}{t[2]}}}"
    )


values = st.recursive(scalars, lambda inner: arrays(inner) | objects(inner), max_leaves=6)


@st.composite
def an_event(draw, account=None):
    """Mostly right: its members in any order and any white space, now and then one too many or too few."""
    members = [
        ("eventId", draw(st.sampled_from(['"e1"', '"e\\u0031"', '"é"']))),
        ("eventName", draw(st.sampled_from(['"COURSE_COMPLETED"', '"X"', '"CI_STATS"']))),
        ("timestamp", draw(st.sampled_from(['"2026-01-20T05:48:10.000Z"', "1", "1.0"]))),
        ("data", draw(objects(values))),
    ]
    if account is not None:
        members.insert(draw(st.integers(0, 4)), ("accountId", account))
    if draw(st.integers(0, 4)) == 0:
        members.insert(draw(st.integers(0, len(members))), (draw(names), draw(values)))
    if draw(st.integers(0, 9)) == 0:
        members.pop(draw(st.integers(0, len(members) - 1)))
    if draw(st.booleans()):
        members = draw(st.permutations(members))
    before, after = draw(space), draw(space)
    return "{" + f"{after},{before}".join(f'{before}"{name}":{after}{value}' for name, value in members) + after + "}"


accounts = st.sampled_from(["1", "1010", '"a"', '"1"', "-5", '"\\u0061"', "1.0", "null", '""', "9" * 40])


@st.composite
def a_record(draw):
    """An envelope or a bare event, mostly right."""
    account = draw(accounts)
    if draw(st.booleans()):
        return draw(space) + draw(an_event(account)) + draw(space)
    border = draw(space) + "," + draw(space)
    events = f"[{draw(space)}{border.join(draw(st.lists(an_event(), min_size=1, max_size=4)))}{draw(space)}]"
    members = [("accountId", account), ("events", events)]
    if draw(st.integers(0, 4)) == 0:
        members.insert(draw(st.integers(0, 2)), (draw(names), draw(values)))
    if draw(st.integers(0, 3)) == 0:
        members.reverse()
    gap = draw(space)
    return gap + "{" + gap + f"{gap},{gap}".join(f'"{name}"{gap}:{gap}{value}' for name, value in members) + gap + "}"


@st.composite
def damaged(draw):
    """A record with a few of its bytes lost, doubled, moved or replaced."""
    value = bytearray(draw(a_record()).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(value)))
        end = draw(st.integers(start, min(len(value), start + 40)))
        piece = bytes(value[start:end])
        what = draw(st.sampled_from(["lost", "doubled", "moved", "replaced"]))
        if what in ("lost", "moved"):
            del value[start:end]
        if what == "moved":
            place = draw(st.integers(0, len(value)))
            value[place:place] = piece
        if what == "doubled":
            value[end:end] = piece
        if what == "replaced":
            value[start:end] = draw(
                st.binary(max_size=4) | st.sampled_from([b"}", b"{", b'"', b",", b"\\", b"]}", b"\x00"])
            )
    return bytes(value)


@PATIENT
@given(a_record())
def test_what_is_written_by_the_rules_is_carried_to_the_byte(text):
    good, _ = check(text.encode("utf-8", "surrogatepass"))
    route(good)


@PATIENT
@given(damaged())
def test_what_is_damaged_is_carried_as_it_is_or_given_up_with_a_reason(value):
    good, _ = check(value)
    route(good)


@PATIENT
@given(st.binary(max_size=64))
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
def test_bytes_of_any_kind_are_given_up_with_a_reason(value):
    check(value)


def test_a_tombstone_is_given_up_with_a_reason():
    check(None)


@pytest.mark.parametrize("path", [*CORPUS, *SAMPLES], ids=lambda path: path.name)
def test_every_record_of_the_corpus_and_every_sample(path):
    value = path.read_bytes()
    good, _ = check(value)
    route(good)
    # Where the guesses of the fast path are wrong by one byte.
    for place in range(min(len(value), 700)):
        check(value[:place] + value[place + 1 :])


def doctored(monkeypatch, change):
    """A parser with a bug put in."""
    real = events.parse

    def parse(record, limit):
        good, bad = real(record, limit)
        return [change(event, parsed) for event, parsed in good], bad

    monkeypatch.setattr(records, "parse", parse)


ONE = b'{"accountId":1,"events":[{"eventId":"e","eventName":"X","timestamp":1.0,"data":{"a":1.0,"b":[1,2]}}]}'


@pytest.mark.parametrize(
    "change",
    [
        lambda event, parsed: (event._replace(raw=event.raw.replace(b"1.0", b"1")), parsed),
        lambda event, parsed: (event._replace(raw=event.raw.replace(b'"a":1.0,', b"")), parsed),
        lambda event, parsed: (event._replace(raw=b" " + event.raw), parsed),
        lambda event, parsed: (event._replace(account="2"), parsed),
        lambda event, parsed: (event._replace(position=(7, 1)), parsed),
        lambda event, parsed: (event, {**parsed, "data": {"a": 1.0, "b": [2, 1]}}),
    ],
    ids=["number rewritten", "member lost", "space added", "other account", "other index", "parsed otherwise"],
)
def test_the_second_reading_sees_a_bug_put_in_on_purpose(monkeypatch, change):
    check(ONE)
    doctored(monkeypatch, change)
    with pytest.raises(AssertionError):
        check(ONE)
