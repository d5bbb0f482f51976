"""Facts in, log lines and numbers out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from lmshooks.adapters import logs
from lmshooks.adapters.metrics import METRICS
from lmshooks.adapters.reporting import Histogram, Reporter
from lmshooks.core import facts as f
from lmshooks.core.events import LetterReason
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Failure, Verdict
from lmshooks.core.stats import PartitionStats, Stats, SubscriptionStats, WindowStats

NOW = 10_000.0
P = Partition("lms.events", 3)

DELIVERED = f.Attempted(
    "crm", P, "msg_1", 1, Verdict.DELIVERED, 202, None, 0.03, 5, 900, 1.5, None, "", "real-time", "crm.example"
)  # fmt: skip
FAILED = DELIVERED._replace(verdict=Verdict.RETRY, status=503, age=9.0, next_attempt=5.0, detail="try later")

EVERY_FACT: list[f.Fact] = [
    DELIVERED,
    FAILED,
    f.Consumed(P, 10, 20, 30),
    f.Lettered(P, 7, 0, next(iter(LetterReason)), "no JSON", None),
    f.Detached("crm", P, "real-time", "failing"),
    f.Attached("crm", P, "real-time"),
    f.AccountHeld("crm", P, "real-time", "1010"),
    f.AccountCaughtUp("crm", P, "real-time", "1010"),
    f.Suspended("crm", "gone"),
    f.Resumed("crm"),
    f.Claimed(P, 44, 7, 2),
    f.Superseded(P, 44),
    f.Released(P, True),
    f.Checkpointed(P, 3, 90, 0.02),
    f.Stalled(P, "write"),
    f.StateLost(P, 50, 10),
    f.Unreadable(P, "lane|events|0|r|crm", 7, "KeyError: 'h'", "start the version that wrote it"),
    f.WindowClosed("nightly", P, 1, 90, NOW),
    f.WindowDone("nightly", P, 90),
    f.Expired("crm", P, 10, 25),
    f.Reconfigured("c0ffee", ("a",), (), (), (), ()),
    f.Orphaned("crm", P),
    f.GivenUp("crm", P, "retired", 4, 100),
    f.Skipped(P, 10, 5),
]


@pytest.fixture(autouse=True)
def left_as_found() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Report these facts; get the lines."""

    def report(*facts: f.Fact) -> list[dict[str, Any]]:
        logs.configure("info", "json")
        reporter = Reporter("0.1.0", lambda: NOW)
        reporter.report(facts, NOW)
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    return report


def sample(reporter: Reporter, name: str, **labels: str) -> float | None:
    """The value as a scraper sees it."""
    body, content_type = reporter.exposition()
    assert content_type.startswith("text/plain")
    for family in text_string_to_metric_families(body.decode()):
        for each in family.samples:
            if each.name == name and each.labels == labels:
                return each.value
    return None


def silent() -> Reporter:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return Reporter("0.1.0", lambda: NOW)


def test_every_kind_of_fact_is_tried_here() -> None:
    assert {type(fact) for fact in EVERY_FACT} == set(get_args(f.Fact)) == set(f.NAMES)


def test_an_attempt_is_one_line_with_its_fields_and_no_empty_ones(said: Any) -> None:
    (line,) = said(DELIVERED)
    line.pop("timestamp")
    assert line == {
        "event": "delivery.attempted",
        "level": "info",
        "subscription_id": "crm",
        "partition": "lms.events/3",
        "delivery_id": "msg_1",
        "attempt": 1,
        "verdict": str(Verdict.DELIVERED),
        "status": 202,
        "elapsed": 0.03,
        "events": 5,
        "size": 900,
        "age": 1.5,
        "kind": "real-time",
        "host": "crm.example",
    }


def test_the_short_way_says_what_structlog_would(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    for lines in (None, logs.hot_lines()):
        Reporter("0.1.0", lambda: NOW, lines).report([DELIVERED, FAILED], NOW)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [list(line) for line in said[:2]] == [list(line) for line in said[2:]]
    assert {line.pop("timestamp")[-1] for line in said} == {"Z"}
    assert said[:2] == said[2:]
    assert [line["level"] for line in said[:2]] == ["info", "warning"]


@pytest.mark.parametrize(
    "fact", [DELIVERED, FAILED, FAILED._replace(status=None, failure=Failure.TIMEOUT), DELIVERED._replace(host="")]
)
def test_the_line_of_an_attempt_says_each_field_that_is_not_empty(said: Any, fact: f.Attempted) -> None:
    (line,) = said(fact)
    fields = {name: value for name, value in fact._asdict().items() if value not in (None, "")}
    assert {name: line[name] for name in fields} == fields | {"partition": "lms.events/3"}
    assert line.keys() == fields.keys() | {"event", "level", "timestamp"}


def test_people_get_every_line_by_structlog() -> None:
    logs.configure("info", "console")
    assert logs.hot_lines() is None


def test_an_attempt_that_failed_is_a_warning_and_says_when_the_next_one_is(said: Any) -> None:
    (line,) = said(FAILED._replace(status=None, failure=next(iter(Failure))))
    assert (line["level"], line["next_attempt"], line["detail"]) == ("warning", 5.0, "try later")
    assert line["failure"] == str(next(iter(Failure)))


def test_reading_and_checkpoints_are_no_news(said: Any) -> None:
    assert said(f.Consumed(P, 1, 1, 1), f.Checkpointed(P, 1, 2, 0.1)) == []


def test_every_other_fact_is_said_under_its_name(said: Any) -> None:
    quiet = (f.Consumed, f.Checkpointed)
    names = [line["event"] for line in said(*EVERY_FACT)]
    assert names == [f.NAMES[type(fact)] for fact in EVERY_FACT if not isinstance(fact, quiet)]


def test_loss_and_suspension_are_errors(said: Any) -> None:
    lines = said(f.Expired(None, P, 10, 25), f.StateLost(P, 5, 4), f.Suspended("crm", "gone"))
    assert [line["level"] for line in lines] == ["error", "error", "error"]


def test_a_lane_that_is_only_full_comes_and_goes_without_a_word(said: Any) -> None:
    assert said(f.Detached("crm", P, "real-time", "full"), f.Attached("crm", P, "real-time")) == []
    lines = said(f.Detached("crm", P, "real-time", "failing"), f.Attached("crm", P, "real-time"))
    assert [line["event"] for line in lines] == ["lane.detached", "lane.attached"]


def test_a_long_list_of_ids_is_cut(said: Any) -> None:
    (line,) = said(f.Reconfigured("c0ffee", tuple(f"s{n}" for n in range(500)), (), (), (), ()))
    assert len(line["added"]) == 21
    assert line["added"][-1] == "and 480 more"


def test_attempts_count_by_subscription_and_verdict_and_events_when_delivered() -> None:
    reporter = silent()
    reporter.report([DELIVERED, DELIVERED, FAILED], NOW)
    assert sample(reporter, "lmshooks_attempts_total", subscription="crm", verdict=Verdict.DELIVERED) == 2
    assert sample(reporter, "lmshooks_attempts_total", subscription="crm", verdict=Verdict.RETRY) == 1
    assert sample(reporter, "lmshooks_deliveries_total", subscription="crm") == 2
    assert sample(reporter, "lmshooks_events_delivered_total", subscription="crm") == 10
    assert sample(reporter, "lmshooks_last_delivered_timestamp_seconds", subscription="crm") == NOW
    busy = sample(reporter, "lmshooks_attempt_busy_seconds_total", subscription="crm")
    assert busy == pytest.approx(0.09)


def test_times_fall_into_their_buckets_and_only_deliveries_have_an_age() -> None:
    reporter = silent()
    reporter.report([DELIVERED, FAILED], NOW)
    verdict = str(Verdict.DELIVERED)
    assert sample(reporter, "lmshooks_attempt_seconds_bucket", verdict=verdict, le="0.025") == 0
    assert sample(reporter, "lmshooks_attempt_seconds_bucket", verdict=verdict, le="0.05") == 1
    assert sample(reporter, "lmshooks_attempt_seconds_count", verdict=verdict) == 1
    assert sample(reporter, "lmshooks_event_age_seconds_count", cadence="real-time") == 1
    assert sample(reporter, "lmshooks_event_age_seconds_sum", cadence="real-time") == 1.5


def test_a_value_on_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("1.0", 1.0), ("2.0", 2.0), ("+Inf", 3.0)]
    assert histogram.total == 11.5


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("lmshooks_records_consumed_total", {}, 10),
        ("lmshooks_events_consumed_total", {}, 20),
        ("lmshooks_events_matched_total", {}, 30),
        ("lmshooks_dead_letters_total", {"reason": str(next(iter(LetterReason)))}, 1),
        ("lmshooks_detachments_total", {"reason": "failing"}, 1),
        ("lmshooks_suspensions_total", {"reason": "gone"}, 1),
        ("lmshooks_claims_total", {}, 1),
        ("lmshooks_superseded_total", {}, 1),
        ("lmshooks_releases_total", {"state": "clean"}, 1),
        ("lmshooks_checkpoints_total", {}, 1),
        ("lmshooks_checkpoint_records_total", {}, 3),
        ("lmshooks_checkpoint_seconds_count", {}, 1),
        ("lmshooks_stalls_total", {"reason": "write"}, 1),
        ("lmshooks_state_lost_total", {}, 1),
        ("lmshooks_window_closes_total", {"window": "nightly"}, 1),
        ("lmshooks_expired_records_total", {"subscription": "crm"}, 15),
        ("lmshooks_given_up_events_total", {"subscription": "crm", "reason": "retired"}, 4),
    ],
)
def test_every_fact_that_is_counted_is_counted(name: str, labels: dict[str, str], value: float) -> None:
    reporter = silent()
    reporter.report(EVERY_FACT, NOW)
    assert sample(reporter, name, **labels) == value


def picture() -> Stats:
    idle = SubscriptionStats("idle", "1", "active", None, 1, 0, 0, 0, 0, 0, None, None, None, "")
    return Stats(
        subscriptions=(
            idle,
            idle._replace(
                id="crm", attached=0, detached=2, failing=1, queued=7, behind=40, oldest_owed_at=NOW - 90,
                failing_since=NOW - 60,
            ),
            idle._replace(id="old", state="suspended", suspended_for="gone"),
        ),
        partitions=(PartitionStats(P, "running", 44, 90, 80, 100, 2, 1, NOW - 3),),
        windows=(WindowStats("nightly", NOW + 60, NOW - 30, 1),),
        configured=5, version="c0ffee", posts=6, failing_posts=2, memory=4096,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("lmshooks_lag_records", {"topic": "lms.events", "partition": "3"}, 10),
        ("lmshooks_uncommitted_records", {"topic": "lms.events", "partition": "3"}, 10),
        ("lmshooks_checkpoint_age_seconds", {"topic": "lms.events", "partition": "3"}, 3),
        ("lmshooks_partitions", {"state": "running"}, 1),
        ("lmshooks_sweeps", {}, 2),
        ("lmshooks_pending_dead_letters", {}, 1),
        ("lmshooks_subscriptions", {"state": "active"}, 4),
        ("lmshooks_subscriptions", {"state": "suspended"}, 1),
        ("lmshooks_lanes", {"state": "detached"}, 2),
        ("lmshooks_lanes", {"state": "failing"}, 1),
        ("lmshooks_oldest_owed_age_seconds", {"subscription": "crm"}, 90),
        ("lmshooks_oldest_owed_age_seconds", {"subscription": "idle"}, 0),
        ("lmshooks_failing_seconds", {"subscription": "crm"}, 60),
        ("lmshooks_queued_events", {"subscription": "crm"}, 7),
        ("lmshooks_behind_records", {"subscription": "crm"}, 40),
        ("lmshooks_suspended", {"subscription": "old", "reason": "gone"}, 1),
        ("lmshooks_posts_in_flight", {"state": "healthy"}, 4),
        ("lmshooks_posts_in_flight", {"state": "failing"}, 2),
        ("lmshooks_memory_bytes", {}, 4096),
        ("lmshooks_window_next_close_timestamp_seconds", {"window": "nightly"}, NOW + 60),
        ("lmshooks_window_open_ranges", {"window": "nightly"}, 1),
        ("lmshooks_configuration_info", {"hash": "c0ffee"}, 1),
        ("lmshooks_build_info", {"version": "0.1.0"}, 1),
    ],
)
def test_the_picture_is_drawn_when_somebody_asks(name: str, labels: dict[str, str], value: float) -> None:
    reporter = silent()
    reporter.watch(lambda now: picture())
    assert sample(reporter, name, **labels) == value


def test_a_refused_reload_shows_until_the_next_good_one() -> None:
    reporter = silent()
    assert sample(reporter, "lmshooks_reloads_total", state="failed") == 0
    reporter.reloaded(ok=False)
    assert sample(reporter, "lmshooks_reloads_total", state="failed") == 1
    assert sample(reporter, "lmshooks_configuration_ok") == 0
    reporter.reloaded(ok=True)
    assert sample(reporter, "lmshooks_configuration_ok") == 1


def test_a_late_loop_is_seen() -> None:
    reporter = silent()
    reporter.late(0.3)
    assert sample(reporter, "lmshooks_loop_lag_seconds_bucket", le="0.25") == 0
    assert sample(reporter, "lmshooks_loop_lag_seconds_bucket", le="0.5") == 1


def test_a_subscription_that_is_removed_leaves_no_series() -> None:
    reporter = silent()
    reporter.report([DELIVERED, DELIVERED._replace(subscription_id="other")], NOW)
    reporter.report([f.Reconfigured("v2", (), (), ("crm",), (), ())], NOW)
    body = reporter.exposition()[0].decode()
    assert 'subscription="crm"' not in body
    assert 'subscription="other"' in body


def test_what_is_exposed_is_the_table_no_more_and_no_less() -> None:
    reporter = silent()
    reporter.watch(lambda now: picture())
    reporter.report(EVERY_FACT, NOW)
    reporter.late(0.1)
    ours = {}
    for family in text_string_to_metric_families(reporter.exposition()[0].decode()):
        if family.name.startswith("lmshooks_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            assert family.samples, f"{name} is never set"
            for each in family.samples:
                assert set(each.labels) - {"le"} == set(METRICS[name].labels), name
            ours[name] = family.type
    assert ours == {name: meaning.kind for name, meaning in METRICS.items()}


def test_no_label_tells_a_url_an_account_or_a_learner() -> None:
    allowed = {
        "subscription", "verdict", "reason", "state", "topic", "partition", "window", "cadence", "version", "hash"
    }  # fmt: skip
    assert {label for meaning in METRICS.values() for label in meaning.labels} <= allowed
