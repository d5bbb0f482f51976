"""What is sent is what was written, under an id that says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from lmshooks.core.envelope import body, delivery_id
from lmshooks.core.events import parse

SAMPLES = sorted((Path(__file__).parent.parent / "samples").glob("*.json"))

parts = st.tuples(
    st.text(max_size=3),
    st.text(max_size=3),
    st.integers(0, 30),
    st.lists(st.tuples(st.tuples(st.integers(0, 30), st.integers(0, 3)), st.text(max_size=3)), max_size=3),
)


def test_a_compact_sample_goes_out_as_it_came_in() -> None:
    assert SAMPLES
    for path in SAMPLES:
        value = json.dumps(json.loads(path.read_bytes()), separators=(",", ":")).encode()
        good, _ = parse(cast("Any", SimpleNamespace(offset=0, timestamp=0, value=value, headers=())), 10_000)
        assert body(good[0][0].account_json, [event.raw for event, _ in good]) == value


def test_several_events_go_out_in_one_array() -> None:
    assert body(b'"a"', iter([b'{"n":1.0}', b'{ "n":2 }'])) == b'{"accountId":"a","events":[{"n":1.0},{ "n":2 }]}'


@given(parts, parts)
def test_two_deliveries_share_an_id_only_if_they_are_one(one: Any, other: Any) -> None:
    assert (delivery_id(*one) == delivery_id(*other)) == (one == other)


def test_an_id_is_the_same_today_and_tomorrow() -> None:
    """A changed encoding would make listeners take retries of older deliveries for new ones."""
    members = [((7, 0), "e1"), ((7, 1), "é")]
    made = delivery_id("crm", "lms.events", 3, members)
    assert made == delivery_id("crm", "lms.events", 3, members)
    assert made == "msg_CSLSeJpF1IMeaVyRmBXDZdrL"


def test_parts_that_run_together_are_told_apart() -> None:
    assert delivery_id("a", "bc", 1, []) != delivery_id("ab", "c", 1, [])
    assert delivery_id("a", "b", 1, [((1, 0), "x,2.0.1:y")]) != delivery_id("a", "b", 1, [((1, 0), "x"), ((2, 0), "y")])
