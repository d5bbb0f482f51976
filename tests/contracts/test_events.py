"""The schemas of events, against ALM's samples, against made-up ones, and against what the daemon itself takes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from lmshooks import samples
from lmshooks.cli.subject import Record
from lmshooks.contracts import schemas
from lmshooks.contracts.asyncapi import asyncapi, component
from lmshooks.contracts.shapes import MEMBERS
from lmshooks.core.catalogue import CATALOGUE
from lmshooks.core.events import parse

SAMPLES = {path.stem: json.loads(path.read_bytes()) for path in (Path(__file__).parents[1] / "samples").glob("*.json")}
ANY_RECORD, ANY_BODY = Draft202012Validator(schemas.records()), Draft202012Validator(schemas.bodies())
ASYNC = asyncapi()


def taken(value: Any) -> bool:
    """Whether the daemon finds nothing wrong with a record."""
    record: Any = Record(7, 1500, json.dumps(value).encode())
    return parse(record, 1_000_000)[1] == []


def message(name: str) -> Draft7Validator:
    """The payload of a message of the AsyncAPI document."""
    payload = ASYNC["components"]["messages"][name]["payload"]
    return Draft7Validator({**payload, "components": ASYNC["components"]})


def bare(envelope: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"accountId": envelope["accountId"], **each} for each in envelope["events"]]


def test_every_event_name_has_a_sample() -> None:
    assert {each["eventName"] for sample in SAMPLES.values() for each in sample["events"]} == set(CATALOGUE)


@pytest.mark.parametrize("stem", sorted(SAMPLES))
def test_every_sample_of_alm_fits_in_both_shapes_and_as_a_body(stem: str) -> None:
    sample = SAMPLES[stem]
    name = sample["events"][0]["eventName"]
    record, body = Draft202012Validator(schemas.records(name)), Draft202012Validator(schemas.bodies(name))
    for value in (sample, *bare(sample)):
        record.validate(value)
        ANY_RECORD.validate(value)
    for validator in (body, ANY_BODY, message("delivery"), message("envelope")):
        validator.validate(sample)
    for value in bare(sample):
        message("bareEvent").validate(value)
        assert not message("envelope").is_valid(value)
    assert not message("bareEvent").is_valid({**sample, **sample["events"][0]})


@pytest.mark.parametrize("stem", sorted(SAMPLES))
def test_a_sample_has_the_members_of_its_table_and_without_one_is_refused(stem: str) -> None:
    sample = SAMPLES[stem]
    (event,) = sample["events"]
    assert set(event["data"]) == set(MEMBERS[event["eventName"]])
    body = Draft202012Validator(schemas.bodies(event["eventName"]))
    for member in event["data"]:
        without = {key: value for key, value in event["data"].items() if key != member}
        assert not body.is_valid({**sample, "events": [{**event, "data": without}]}), member


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_what_lmshooks_makes_up_fits_and_another_name_does_not(name: str) -> None:
    validator = Draft202012Validator(schemas.records(name))
    for seed in range(20):
        event = samples.make_event(name, 1010, 7, 1_768_888_090.0, random.Random(seed))
        validator.validate(samples.envelope(1010, [event, event]))
        validator.validate(samples.bare("acme", event))
        assert not validator.is_valid(samples.bare("acme", {**event, "eventName": "ANOTHER"}))


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_more_members_are_allowed(name: str) -> None:
    event = samples.make_event(name, 1010, 7, 1_768_888_090.0, random.Random(1))
    more = {**event, "data": {**event["data"], "managerId": 9}, "tenant": {"region": "eu"}}
    Draft202012Validator(schemas.records(name)).validate(samples.bare(1010, more))


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_asyncapi_component_of_a_name_is_its_event(name: str) -> None:
    assert ASYNC["components"]["schemas"][component(name)] == schemas.event(name)


WRONG: dict[str, Any] = {
    "an array": [],
    "no account": {"events": [{"eventId": "1", "eventName": "X", "timestamp": 1, "data": {}}]},
    "no events": {"accountId": 1, "events": []},
    "a fraction": {"accountId": 1.5, "eventId": "1", "eventName": "X", "timestamp": 1, "data": {}},
    "an empty account": {"accountId": "", "eventId": "1", "eventName": "X", "timestamp": 1, "data": {}},
    "a third member": {"accountId": 1, "events": [], "more": 1},
    "an empty id": {"accountId": 1, "eventId": "", "eventName": "X", "timestamp": 1, "data": {}},
    "a boolean time": {"accountId": 1, "eventId": "1", "eventName": "X", "timestamp": True, "data": {}},
    "data that is null": {"accountId": 1, "eventId": "1", "eventName": "X", "timestamp": 1, "data": None},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_the_daemon_refuses_the_schema_refuses(what: str) -> None:
    assert not taken(WRONG[what])
    assert not ANY_RECORD.is_valid(WRONG[what])


def _scalars() -> st.SearchStrategy[Any]:
    # Whole floats are left out: JSON Schema takes 1.0 for an integer, the daemon looks at how it was written.
    floats = st.floats(allow_nan=False, allow_infinity=False, width=32).filter(lambda number: not number.is_integer())
    return st.none() | st.booleans() | st.integers(-(2**70), 2**70) | floats | st.text(max_size=3)


def _events(sound: bool) -> st.SearchStrategy[Any]:
    """Events of which each member is right, wrong or missing."""
    text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3)
    right: dict[str, st.SearchStrategy[Any]] = {
        "eventId": text,
        "eventName": text | st.sampled_from(sorted(CATALOGUE)),
        "timestamp": text | st.integers(0, 2**53),
        "data": st.dictionaries(text, _scalars(), max_size=2),
    }
    more = {"eventInfo": _scalars(), "x": _scalars()}
    if sound:
        return st.fixed_dictionaries(right, optional=more)
    return st.fixed_dictionaries({}, optional={name: each | _scalars() for name, each in right.items()} | more)


EVENTS = _events(True) | _events(False)
ACCOUNTS = st.integers(-5, 2**70) | st.text(max_size=3) | _scalars()
RECORDS = (
    _scalars()
    | st.builds(lambda account, event: {"accountId": account, **event}, ACCOUNTS, EVENTS)
    | EVENTS
    | st.fixed_dictionaries(
        {}, optional={"accountId": ACCOUNTS, "events": st.lists(EVENTS | _scalars(), max_size=3), "x": _scalars()}
    )
    | st.fixed_dictionaries({"accountId": ACCOUNTS, "events": st.lists(_events(True), min_size=1, max_size=3)})
)


@settings(max_examples=1500, deadline=None)
@given(RECORDS)
def test_the_schema_takes_what_the_daemon_takes_and_nothing_else(value: Any) -> None:
    assert ANY_RECORD.is_valid(value) == taken(value)
