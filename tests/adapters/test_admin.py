"""The operators' pages, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from lmshooks.adapters.admin import Admin, Health, Progress, Sources, picture
from lmshooks.core.comparing import Outline
from lmshooks.core.durations import spell
from lmshooks.core.positions import Partition
from lmshooks.core.stats import PartitionStats, Stats, SubscriptionStats, WindowStats

NOW = 10_000.0
WELL = Health({"intake": Progress(0.2, True)})


def subscription(name: str = "crm", **changes: Any) -> SubscriptionStats:
    return SubscriptionStats(name, "1010", "active", None, 1, 0, 0, 0, 0, 0, None, None, None, "")._replace(**changes)


def partition(number: int = 0, **changes: Any) -> PartitionStats:
    made = PartitionStats(Partition("lms.events", number), "running", 5, 90, 80, 100, 0, 0, NOW - 1)
    return made._replace(**changes)


def stats(
    subscriptions: tuple[SubscriptionStats, ...] = (), partitions: tuple[PartitionStats, ...] = (partition(),)
) -> Stats:
    return Stats(subscriptions, partitions, (WindowStats("nightly", NOW + 60, NOW - 30, 1),), 3, "c0ffee", 2, 1, 4096)


@asynccontextmanager
async def serving(health: Health = WELL, missing: tuple[str, ...] = (), of: Stats | None = None) -> AsyncIterator[str]:
    sources = Sources(
        metrics=lambda: (b"up 1\n", "text/plain; version=0.0.4; charset=utf-8"),
        health=lambda: health,
        missing=lambda: missing,
        stats=lambda now: of or stats(),
        configuration=lambda: Outline("c0ffee", {"crm": {"active": True}}, {}, {}),
        clock=lambda: NOW,
        instance="hooks-0",
        version="0.1.0",
    )
    admin = Admin("127.0.0.1", 0, sources)
    await admin.start()
    try:
        yield f"http://127.0.0.1:{admin.port}"
    finally:
        await admin.stop()


async def get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


async def test_health_is_200_with_every_loops_progress_while_all_get_on() -> None:
    async with serving() as url:
        assert await get(url + "/healthz") == (
            200,
            {"alive": True, "loops": {"intake": {"age": 0.2, "ok": True}}, "reasons": []},
        )


async def test_health_is_503_and_names_the_loop_that_hangs() -> None:
    async with serving(Health({"intake": Progress(0.1, True), "state": Progress(61.7, False)})) as url:
        status, told = await get(url + "/healthz")
    assert status == 503
    assert told["reasons"] == ["state has made no progress for 62 s"]


async def test_what_no_restart_mends_is_told_and_kills_nobody() -> None:
    reasons = ("the configuration on disk was refused", "Kafka has not answered for 40 s")
    async with serving(Health({"loop": Progress(0.1, True)}, reasons)) as url:
        status, told = await get(url + "/healthz")
    assert (status, told["alive"], told["reasons"]) == (200, True, list(reasons))


async def test_ready_says_what_is_missing() -> None:
    async with serving(missing=("the state topic is not read to its end",)) as url:
        assert await get(url + "/readyz") == (
            503,
            {"ready": False, "missing": ["the state topic is not read to its end"]},
        )
    async with serving() as url:
        assert await get(url + "/readyz") == (200, {"ready": True, "missing": []})


async def test_metrics_come_as_they_are_given() -> None:
    async with serving() as url, aiohttp.ClientSession() as session, session.get(url + "/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await answer.read() == b"up 1\n"


async def test_status_is_who_and_how() -> None:
    async with serving() as url:
        status, told = await get(url + "/status")
    assert status == 200
    assert (told["instance"], told["version"], told["configuration"]) == ("hooks-0", "0.1.0", "c0ffee")
    assert told["windows"] == [
        {"name": "nightly", "next_close_in": 60.0, "last_close_age": 30.0, "open_ranges": 1},
    ]
    assert told["partitions"][0]["lag"] == 10


async def test_the_configuration_that_is_applied_can_be_asked_for() -> None:
    async with serving() as url:
        assert await get(url + "/configuration") == (
            200,
            {"version": "c0ffee", "subscriptions": {"crm": {"active": True}}, "windows": {}, "cadences": {}},
        )


async def test_a_stopped_server_no_longer_listens() -> None:
    async with serving() as url:
        pass
    try:
        await get(url + "/healthz")
    except aiohttp.ClientConnectorError:
        return
    raise AssertionError("it still answers")


def test_what_is_wrong_comes_first_and_the_longest_owed_of_it() -> None:
    told = picture(
        stats((
            subscription("idle"),
            subscription("slow", detached=1, behind=40, oldest_owed_at=NOW - 9000),
            subscription("dead", failing=1, failing_since=NOW - 7200, oldest_owed_at=NOW - 7300, last_status="503"),
            subscription("gone", state="suspended", suspended_for="gone", oldest_owed_at=NOW - 90000),
            subscription("off", state="inactive"),
        )),
        WELL,
        NOW,
    )  # fmt: skip
    assert [each["id"] for each in told["subscriptions"]] == ["gone", "dead", "slow", "off", "idle"]
    assert [each["severity"] for each in told["subscriptions"]] == ["wrong", "wrong", "note", "note", "ok"]
    assert told["ok"] is False


def test_the_summary_is_the_worst_thing_and_what_to_do() -> None:
    told = picture(stats((subscription("crm", state="suspended", suspended_for="horizon"),)), WELL, NOW)
    assert told["summary"] == (
        "subscription crm: suspended (horizon), its endpoint failed for days; "
        "mend the endpoint, then: lmshooks resume crm"
    )


def test_a_failing_endpoint_is_told_with_since_when_and_its_last_answer() -> None:
    told = picture(
        stats((subscription("crm", failing_since=NOW - 7200, last_status="503", next_attempt=NOW + 90),)), WELL, NOW
    )
    (crm,) = told["subscriptions"]
    assert crm["why"] == "failing for 2 h, last answer: 503"
    assert (crm["failing_for"], crm["next_attempt_in"]) == (7200.0, 90.0)


def test_accounts_of_which_an_endpoint_takes_nothing_are_named() -> None:
    told = picture(stats((subscription("crm", held=("1", "2")), subscription("all", held=tuple("123456")))), WELL, NOW)
    why = {each["id"]: each["why"] for each in told["subscriptions"] if each["severity"] == "wrong"}
    assert why["crm"] == "its endpoint takes nothing of accounts 1, 2, and all of others"
    assert why["all"] == "its endpoint takes nothing of accounts 1, 2, 3, 4, 5 ..., and all of others"


def test_what_is_known_of_a_failure_is_told() -> None:
    one = subscription(
        state="suspended", suspended_for="gone", suspended_at=NOW - 7200, host="crm.example", settled_at=NOW - 9000,
        last_status="410", last_verdict="gone", last_detail="no such hook",
    )  # fmt: skip
    (crm,) = picture(stats((one,)), WELL, NOW)["subscriptions"]
    assert crm["why"] == "suspended 2 h ago, its endpoint answered 410 Gone"
    assert (crm["suspended_reason"], crm["suspended_for"], crm["settled_age"]) == ("gone", 7200.0, 9000.0)
    assert (crm["host"], crm["last_status"], crm["last_verdict"]) == ("crm.example", "410", "gone")
    assert crm["last_detail"] == "no such hook"


def test_a_failure_that_was_no_answer_is_not_called_one() -> None:
    told = picture(stats((subscription("crm", failing_since=NOW - 7200, last_status="connect"),)), WELL, NOW)
    assert told["subscriptions"][0]["why"] == "failing for 2 h, no answer: connect"


def test_a_held_partition_is_wrong_before_any_subscription() -> None:
    told = picture(stats((subscription(failing_since=1.0),), (partition(0), partition(1, state="held"))), WELL, NOW)
    assert told["summary"].startswith("lms.events/1: Kafka confirms no write and no commit (and 1 more)")


def test_a_stuck_partition_says_for_how_long_and_before_how_much() -> None:
    told = picture(stats(partitions=(partition(state="stuck", still_since=NOW - 300),)), WELL, NOW)
    assert told["summary"] == (
        "lms.events/0: its live feed has not moved for 5 min, with 10 records in the log; "
        "see that Kafka is well, then restart this instance: nothing is lost"
    )
    assert not told["ok"]


def test_a_partition_short_of_memory_is_no_trouble_by_itself() -> None:
    told = picture(stats(partitions=(partition(state="full", still_since=NOW - 3),)), WELL, NOW)
    assert told["ok"]
    (one,) = told["partitions"]
    assert (one["severity"], one["why"]) == ("note", "its live feed waits: what is queued is at limits.memory")


def test_a_daemon_that_is_not_well_says_that_before_all_else() -> None:
    told = picture(stats((subscription(failing_since=1.0),)), Health({"loop": Progress(9, False)}), NOW)
    assert told["summary"] == "the daemon is not well: loop has made no progress for 9 s (and 1 more)"


def test_all_is_well_is_said_in_numbers() -> None:
    assert picture(stats((subscription(),)), WELL, NOW)["summary"] == "all is well: 3 subscriptions, 1 partition"
    assert picture(stats((subscription(),)), WELL, NOW)["ok"] is True


def test_durations_are_spelt_as_people_say_them() -> None:
    spelt = [spell(each) for each in (0.4, 59, 119, 120, 7200, 200_000)]
    assert spelt == ["0 s", "59 s", "119 s", "2 min", "2 h", "2 d"]
