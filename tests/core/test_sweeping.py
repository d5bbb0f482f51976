"""A reading pass gives every rider all that is its own, whoever boards while it waits, and parses nothing else."""

from __future__ import annotations

import orjson
import pytest

from lmshooks.core.events import Bad, Event, Record, parse_onto
from lmshooks.core.subscriptions import Endpoint, Subscription
from tests.core.waiting import Waiting


def subscription(name: str, account: str) -> Subscription:
    return Subscription(name, account, ("*",), Endpoint("http://x"), queue_events=4, max_events=2)


def drained(driver: Waiting, *names: str) -> dict[str, list[int]]:
    """Answer all that these subscriptions are sent until nothing more comes: what each got, in order."""
    got: dict[str, list[int]] = {name: [] for name in names}
    for _ in range(200):
        for post in [one for one in driver.posts if one.subscription_id in names]:
            driver.posts.remove(post)
            got[post.subscription_id] += [event["data"]["n"] for event in orjson.loads(post.body)["events"]]
            driver.answer(post, 200)
        driver.wait(0.3)
    return got


@pytest.mark.parametrize(("account", "expected"), [("2", range(40, 80)), ("*", range(80))])
def test_who_boards_while_a_pass_waits_gets_what_lies_in_the_chunk_in_hand(account: str, expected: range) -> None:
    driver = Waiting(subscription("slow", "1"), subscription("late", account))
    driver.read(40, 1)
    driver.read(40, 2)
    first, *_ = (post for post in driver.posts if post.subscription_id == "slow")
    driver.posts.remove(first)
    driver.answer(first, 200)
    driver.wait(0.3)  # the slow lane boards, is full at once, and the pass waits for it
    late = drained(driver, "late")["late"]
    assert late == list(expected) or account == "*", "it does not wait for the slow one's pass to end"
    rest = drained(driver, "slow", "late")
    assert sorted(late + rest["late"]) == list(expected)
    assert rest["slow"] == list(range(first.events, 40))


def test_what_lies_before_its_accounts_lanes_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []

    def noted(good: list[Event], record: Record, event_bytes: int) -> Bad:
        parsed.append(record.offset)
        return parse_onto(good, record, event_bytes)

    monkeypatch.setattr("lmshooks.core.sweeping.parse_onto", noted)
    driver = Waiting(subscription("one", "1"), subscription("two", "2"))
    driver.read(40, 1)
    driver.read(40, 3)
    driver.read(40, 2)
    got = drained(driver, "one", "two")
    assert got == {"one": list(range(40)), "two": list(range(80, 120))}
    assert set(parsed) <= {*range(40), *range(80, 120)}
