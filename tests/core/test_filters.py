"""What a filter lets through, why not the rest, and what is no filter."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmshooks.core.filters import FilterMistake, compile_filter

EVENT: dict[str, Any] = {
    "eventId": "e1",
    "eventName": "COURSE_COMPLETED",
    "timestamp": "2026-01-20T05:48:10.000Z",
    "data": {
        "userId": 7, "score": 1.0, "loType": "course", "hasPassed": True, "nothing": None, "zero": 0, "one": 1,
        "list": [1, {"a": True}], "text": "1", "empty": "",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        ({"data.loType": "course"}, True),
        ({"data.loType": "Course"}, False),
        ({"data.userId": 7.0}, True),
        ({"data.score": 1}, True),
        ({"data.hasPassed": 1}, False),
        ({"data.hasPassed": True}, True),
        ({"data.one": True}, False),
        ({"data.zero": False}, False),
        ({"data.text": 1}, False),
        ({"data.userId": "7"}, False),
        ({"data.nothing": None}, True),
        ({"data.absent": None}, False),
        ({"data.loType.deeper": "course"}, False),
        ({"data.list": {"eq": [1.0, {"a": True}]}}, True),
        ({"data.list": {"eq": [True, {"a": True}]}}, False),
        ({"data.list": {"eq": [1, {"a": 1}]}}, False),
        ({"data.loType": ["certification", "course"]}, True),
        ({"data.userId": ["7", 8]}, False),
        ({"data.userId": [8, 7]}, True),
        ({"data.hasPassed": [1, "true"]}, False),
        ({"data.absent": ["a", None]}, False),
        ({"data.absent": {"ne": 1}}, True),
        ({"data.absent": {"not_in": [1]}}, True),
        ({"data.one": {"ne": True}}, True),
        ({"data.one": {"ne": 1.0}}, False),
        ({"data.loType": {"not_in": ["course"]}}, False),
        ({"data.userId": {"gte": 7, "lt": 8}}, True),
        ({"data.userId": {"gt": 7}}, False),
        ({"data.userId": {"lte": 7.0}}, True),
        ({"data.text": {"lt": 2}}, False),
        ({"data.text": {"lt": "2"}}, True),
        ({"data.hasPassed": {"gte": 0}}, False),
        ({"data.absent": {"lt": 1}}, False),
        ({"timestamp": {"gte": "2026-01-01", "lt": "2026-02-01"}}, True),
        ({"eventName": {"prefix": "COURSE_", "suffix": "ED"}}, True),
        ({"eventName": {"prefix": "course"}}, False),
        ({"data.userId": {"prefix": "7"}}, False),
        ({"data.nothing": {"exists": True}}, True),
        ({"data.absent": {"exists": True}}, False),
        ({"data.absent": {"exists": False}}, True),
        ({"data.loType": {"exists": False}}, False),
        ({"data.loType": "course", "data.userId": 8}, False),
        ({"all": [{"data.loType": "course"}, {"data.userId": 7}]}, True),
        ({"all": [{"data.loType": "course"}, {"data.userId": 8}]}, False),
        ({"any": [{"data.loType": "x"}, {"data.userId": 7}]}, True),
        ({"any": [{"data.loType": "x"}, {"data.userId": 7, "data.one": 2}]}, False),
        ({"not": {"data.loType": "x"}}, True),
        ({"not": {"data.loType": "course", "data.userId": 8}}, True),
        ({"not": {"data.absent": {"gt": 1}}}, True),
        ({"not": {"not": {"any": [{"data.one": 1}]}}}, True),
    ],
)
def test_a_condition_holds_or_not(condition: Any, passes: bool) -> None:
    compiled = compile_filter(condition)
    assert compiled(EVENT) is passes
    assert (compiled.explain(EVENT) is None) is passes


@pytest.mark.parametrize(
    ("tree", "clause"),
    [
        ({"data.loType": "course", "data.userId": {"gte": 1, "lt": 5}}, 'data.userId: {"lt": 5}'),
        ({"all": [{"data.one": 1}, {"data.text": ["a", "b"]}]}, 'data.text: {"in": ["a", "b"]}'),
        ({"any": [{"data.one": 2}]}, 'any: [{"data.one": 2}]'),
        ({"not": {"data.one": 1}}, 'not: {"data.one": 1}'),
    ],
)
def test_the_clause_that_failed_is_named(tree: Any, clause: str) -> None:
    assert compile_filter(tree).explain(EVENT) == clause


@pytest.mark.parametrize(
    ("tree", "path", "found", "expected"),
    [
        (None, (), "nothing", "a mapping of fields to conditions"),
        ({}, (), "an empty mapping", "one field with its condition, or more"),
        ({7: 1}, (7,), "the number 7", "a field's dotted path, quoted if need be"),
        ({"data..x": 1}, ("data..x",), "'data..x'", "a field's dotted path, such as data.loType"),
        ({"any": []}, ("any",), "an empty list", "a list of mappings"),
        ({"all": {"a": 1}}, ("all",), "a mapping", "a list of mappings"),
        ({"any": [{"a": 1}, 3]}, ("any", 1), "the number 3", "a mapping of fields to conditions"),
        ({"not": {"a": {"gt": True}}}, ("not", "a", "gt"), "true", "a number or a string"),
        ({"a": []}, ("a",), "an empty list", "a list of values"),
        ({"a": {"in": "x"}}, ("a", "in"), "the string 'x'", "a list of values"),
        ({"a": {"exists": "yes"}}, ("a", "exists"), "the string 'yes'", "true or false"),
        ({"a": {"prefix": ""}}, ("a", "prefix"), "an empty string", "a string"),
        ({"a": float("nan")}, ("a",), "nan", "a finite number"),
        ({"a": [1, dt.date(2026, 1, 1)]}, ("a", 1), "a date", "a value that JSON has (quote dates and times)"),
    ],
)
def test_a_mistake_says_where_what_and_what_instead(
    tree: Any, path: tuple[str | int, ...], found: str, expected: str
) -> None:
    with pytest.raises(FilterMistake) as raised:
        compile_filter(tree)
    mistake = raised.value
    assert (mistake.path, mistake.found, mistake.expected) == (path, found, expected)


def test_an_unknown_operator_names_the_known_ones() -> None:
    with pytest.raises(FilterMistake, match=r"^a\.like: 'like', expected one of the operators eq, ne, in, .*exists$"):
        compile_filter({"a": {"like": "x"}})


def test_the_account_is_not_a_field() -> None:
    with pytest.raises(FilterMistake, match="the subscription's account"):
        compile_filter({"accountId": 7})


def test_endless_nesting_is_a_mistake() -> None:
    tree: dict[str, Any] = {}
    tree["not"] = tree  # what a YAML anchor can do
    with pytest.raises(FilterMistake, match="levels"):
        compile_filter(tree)
    operand: list[Any] = []
    operand.append(operand)
    with pytest.raises(FilterMistake, match="levels"):
        compile_filter({"a": {"eq": operand}})


def test_filters_of_one_source_are_equal_whatever_the_order_of_keys() -> None:
    one = compile_filter({"a": 1, "b": ["x"]})
    other = compile_filter({"b": ["x"], "a": 1})
    assert one == other
    assert hash(one) == hash(other)
    assert one != compile_filter({"a": True, "b": ["x"]})
    assert one != compile_filter({"a": "1", "b": ["x"]})


values = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "1", "a"])


@given(values, st.lists(values, min_size=1, max_size=3))
def test_an_operator_and_its_opposite_never_agree(value: Any, operands: list[Any]) -> None:
    event = {"a": value}
    assert compile_filter({"a": {"eq": operands[0]}})(event) is not compile_filter({"a": {"ne": operands[0]}})(event)
    assert compile_filter({"a": operands})(event) is not compile_filter({"a": {"not_in": operands}})(event)
    assert compile_filter({"a": operands})(event) is any(
        compile_filter({"a": {"eq": each}})(event) for each in operands
    )
