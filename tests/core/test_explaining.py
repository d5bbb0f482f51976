"""The explanation says what the machine does, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmshooks.core.configuration import Configuration
from lmshooks.core.events import Event
from lmshooks.core.explaining import Explanation, Fate, explain
from lmshooks.core.filters import compile_filter
from lmshooks.core.routing import Index
from lmshooks.core.subscriptions import Endpoint, Resume, Subscription
from lmshooks.core.windows import parse_schedule

NOW = 1_000_000_000.0
CRM = Subscription("crm", "1010", ("COURSE_*",), Endpoint("https://crm.example/"))
PARSED: dict[str, Any] = {"eventName": "COURSE_COMPLETED", "data": {"hasPassed": False, "loType": "course"}}


def event(name: str = "COURSE_COMPLETED", account: str = "1010") -> Event:
    return Event((0, 0), account, account.encode(), name, "e1", b"{}", NOW)


def explained(one: Subscription, name: str = "COURSE_COMPLETED", parsed: dict[str, Any] = PARSED) -> Explanation:
    configuration = Configuration({one.id: one}, {"default": parse_schedule(every=900)})
    (found,) = explain(configuration, event(name), parsed, NOW)
    return found


def test_a_name_that_matches_is_named_with_the_glob_that_did() -> None:
    assert explained(CRM)[1:] == (Fate.SENT, "its events name COURSE_*; sent at once", None)


def test_a_name_that_does_not_match_lists_what_it_wants() -> None:
    found = explained(CRM, "LEARNER_PROGRESS")
    assert (found.fate, found.wanted) == (Fate.UNNAMED, False)
    assert found.why == "its events do not name LEARNER_PROGRESS: COURSE_*"


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"data.hasPassed": True}, 'data.hasPassed: {"eq": true}: the event has false'),
        ({"data.loType": "course", "data.score": {"gte": 3}}, 'data.score: {"gte": 3}: the event has no data.score'),
        ({"data.loType.x": 1}, 'data.loType.x: {"eq": 1}: the event has no data.loType.x'),
        ({"data.loType": ["a", "b"]}, 'data.loType: {"in": ["a", "b"]}: the event has "course"'),
        ({"not": {"data.loType": "course"}}, 'not: {"data.loType": "course"}'),
        ({"data": {"eq": {}}}, "data: {\"eq\": {}}: the event has {'hasPassed': False, 'loType': 'course'}"),
    ],
)
def test_a_filter_that_fails_names_the_clause_and_what_the_event_has(tree: dict[str, Any], why: str) -> None:
    found = explained(replace(CRM, filter=compile_filter(tree)))
    assert (found.fate, found.why) == (Fate.FILTERED, f"its filter fails at {why}")


def test_a_windowed_event_says_which_window_and_when_it_closes() -> None:
    found = explained(replace(CRM, events=("*",)), "LEARNER_PROGRESS")
    assert found.why == "its events name *; sent when window default closes"
    assert found.closes_at == parse_schedule(every=900).next_close(NOW)


def test_switched_off_is_held_and_with_resume_now_it_is_not_owed() -> None:
    assert explained(replace(CRM, active=False)).fate is Fate.HELD
    assert explained(replace(CRM, active=False, resume=Resume.NOW)).fate is Fate.SKIPPED


def test_other_accounts_are_not_asked_and_every_accounts_are() -> None:
    ones = {one.id: one for one in (CRM, replace(CRM, id="all", account="*"), replace(CRM, id="b", account="2020"))}
    found = explain(Configuration(ones, {"default": parse_schedule(every=900)}), event(), PARSED, NOW)
    assert [one.subscription.id for one in found] == ["crm", "all"]


NAMES = st.sampled_from(["COURSE_COMPLETED", "COURSE_*", "*", "LEARNER_PROGRESS", "COURSE_[A-C]*", "?OURSE_COMPLETED"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["1010", "2020", "*"]), st.lists(NAMES, min_size=1, max_size=3), st.booleans()),
        max_size=8,
    ),
    st.sampled_from(["COURSE_COMPLETED", "LEARNER_PROGRESS", "COURSE_DONE"]),
)
def test_the_explanation_and_the_index_agree(entries: list[tuple[str, list[str], bool]], name: str) -> None:
    passing, failing = compile_filter({"data.loType": "course"}), compile_filter({"data.loType": "other"})
    ones = [
        Subscription(
            str(at), account, tuple(names), Endpoint("https://x.example/"), filter=passing if good else failing
        )
        for at, (account, names, good) in enumerate(entries)
    ]
    configuration = Configuration({one.id: one for one in ones}, {"default": parse_schedule(every=900)})
    wanted = [one.subscription for one in explain(configuration, event(name), PARSED, NOW) if one.wanted]
    machine = [one for one in Index(ones).match("1010", name) if one.filter is None or one.filter(PARSED)]
    assert wanted == machine
