"""Who wants an event, found without asking everybody."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lmshooks.core import routing
from lmshooks.core.routing import Index
from lmshooks.core.subscriptions import Endpoint, Subscription

ENDPOINT = Endpoint("https://crm.example.com/hook")


def subscription(number: int, account: str, *events: str, **more: Any) -> Subscription:
    return Subscription(f"s{number}", account, events, ENDPOINT, **more)


def ids(found: tuple[Subscription, ...]) -> list[str]:
    return [each.id for each in found]


def test_names_globs_and_every_account_come_in_the_order_given_each_once() -> None:
    index = Index(
        [
            subscription(0, "*", "COURSE_*"),
            subscription(1, "7", "COURSE_COMPLETED", "COURSE_*", "*"),
            subscription(2, "8", "COURSE_COMPLETED"),
            subscription(3, "7", "CI_STATS"),
            subscription(4, "*", "COURSE_COMPLETED", active=False),
            subscription(5, "7", "RESPONSE:*"),
        ]
    )
    assert ids(index.match("7", "COURSE_COMPLETED")) == ["s0", "s1", "s4"]
    assert ids(index.match("8", "COURSE_COMPLETED")) == ["s0", "s2", "s4"]
    assert ids(index.match("9", "COURSE_ENROLLMENT")) == ["s0"]
    assert ids(index.match("7", "RESPONSE:ASYNCAPI_USERGROUP_USER_ADDED")) == ["s1", "s5"]
    assert ids(index.match("7", "course_completed")) == ["s1"]
    assert ids(index.match("9", "CI_STATS")) == []


def test_an_account_that_is_called_like_the_wildcard_gets_what_every_account_gets() -> None:
    index = Index([subscription(0, "*", "*"), subscription(1, "7", "*")])
    assert ids(index.match("*", "X")) == ["s0"]


accounts = st.sampled_from(["*", "1", "2", "3"])
names = st.sampled_from(["A", "B", "AB", "A_BATCH", "a"])
patterns = st.sampled_from(["A", "B", "AB", "A*", "*_BATCH", "?", "*", "[AB]", "[!A]*", "A\nB"])


@given(st.lists(st.tuples(accounts, st.lists(patterns, max_size=3)), max_size=12), accounts, names)
def test_the_index_finds_what_asking_everybody_finds(
    wanted: list[tuple[str, list[str]]], account: str, name: str
) -> None:
    subscriptions = [subscription(number, each, *events) for number, (each, events) in enumerate(wanted)]
    expected = tuple(
        each
        for each in subscriptions
        if each.account in ("*", account) and any(fnmatchcase(name, pattern) for pattern in each.events)
    )
    index = Index(subscriptions)
    assert index.match(account, name) == expected
    assert index.match(account, name) == expected


def test_other_accounts_subscriptions_are_never_looked_at(monkeypatch: Any) -> None:
    looked = []
    monkeypatch.setattr(routing._Names, "find", lambda self, name, found: looked.append(self))
    Index([subscription(number, str(number), "COURSE_*") for number in range(1000)]).match("7", "COURSE_COMPLETED")
    assert len(looked) == 2


def test_what_isremembered_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(Index, "REMEMBERED", 10)
    index = Index([subscription(0, "*", "*")])
    for number in range(100):
        assert ids(index.match(str(number), "X")) == ["s0"]
    assert len(index.remembered) <= 10
